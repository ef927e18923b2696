// Calls a function with the callbacks of the test, as a program does that catches what its calls throw. It prints what they
// threw, and "alive" at the end, which an unhandled rejection would prevent.
import { createCache, dropIf } from "permacache";

const [dir, name] = process.argv.slice(2);
const reject = async () => {
  await null;
  throw new Error("too late");
};

const cases = {
  validate: { options: { validate: reject } },
  shouldStore: { options: { shouldStore: reject } },
  dir: { options: { dir: reject } },
  "a key function": { options: { keyFunction: { x: reject } } },
  "a key function of all": { options: { keyFunction: reject } },
  "dropIf(test)": { options: { keyFunction: { x: dropIf(reject) } } },
  "dropIf(_, mapper)": { options: { keyFunction: { x: dropIf(() => false, reject) } } },
  onError: { options: { onError: reject }, result: () => () => 1 },
  defaults: { options: { defaults: { y: reject } } },
  onProgress: { options: { parallel: "x", onProgress: reject }, argument: () => [1, 2] },
  "an argument": { options: {}, argument: () => reject() },
  "an argument inside": { options: {}, argument: () => [{ later: reject() }] },
};

const { options, result = (x) => x, argument = () => 1 } = cases[name];
const { permacache, prune } = createCache({ dir });
for (const [kind, f] of [
  ["async", permacache(`${kindOf(name)}/a`, options)(async (x, y = 1) => result(x, y))],
  ["sync", permacache(`${kindOf(name)}/s`, options)((x, y = 1) => result(x, y))],
]) {
  for (let i = 0; i < 2; i++) {
    try {
      await f(argument());
      console.log(`${kind}: a value`);
    } catch (error) {
      console.log(`${kind}: ${error.code ?? error}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
await prune({ maxEntries: 1 }, { onProgress: name === "onProgress" ? reject : () => {} });
await new Promise((resolve) => setTimeout(resolve, 20));
console.log("alive");

function kindOf(text) {
  return text.replaceAll(/[^a-z]/gi, "-");
}
