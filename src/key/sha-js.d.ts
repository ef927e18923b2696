/** The one algorithm of sha.js that is used, without the others. */
declare module "sha.js/sha256.js" {
  export default class Sha256 {
    update(bytes: Uint8Array): this;
    digest(encoding: "hex"): string;
  }
}
