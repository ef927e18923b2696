import {
  assertEqual,
  assertThat,
  bytesOf,
  digestOf,
  FOLDER,
  isPromise,
  type Promised,
  type Subject,
} from "./subject.js";

const ONE = digestOf(1);
const SIZE = 1_000_000;

type Cut = (start: Uint8Array, size: number) => readonly number[];

/** What an engine with `pieces` promises. */
export const pieces: readonly Promised[] = [
  ...[
    [100, 300_000, 699_900],
    [SIZE - 1, 1],
    [100, 0, 999_900],
  ].map(
    (lengths): Promised => ({
      name: `pieces: a large entry is read as it is cut (${lengths.join(", ")})`,
      async check(subject) {
        const bytes = bytesOf(SIZE);
        await subject.put(ONE, bytes);
        let asked = 0;
        const read = await piecesOf(subject, (start, size) => {
          asked++;
          assertEqual(size, SIZE, "pieces.read: tells the size of the entry");
          const isStart = start.length > 0 && bytes.subarray(0, start.length).equals(start);
          assertThat(isStart, "pieces.read: gives the beginning of the entry");
          return lengths;
        });
        assertEqual(asked, 1, "pieces.read: asks once how a large entry is to be cut");
        assertThat(Array.isArray(read), "pieces.read: gives pieces where the entry is to be cut");
        const found = read as Uint8Array[];
        assertEqual(
          found.map(({ length }) => length),
          lengths,
          "pieces.read: cuts the entry as it is told",
        );
        assertThat(Buffer.concat(found).equals(bytes), "pieces.read: the pieces are the entry");
        const own = new Set(found.map(({ buffer }) => buffer));
        assertEqual(own.size, lengths.length, "pieces.read: each piece has an ArrayBuffer of its own");
        const isAlone = found.slice(1).every((each) => each.byteOffset === 0 && each.buffer.byteLength === each.length);
        assertThat(isAlone, "pieces.read: each piece is alone in its ArrayBuffer");
      },
    }),
  ),
  {
    name: "pieces: an entry is read whole where it is not to be cut",
    async check(subject) {
      for (const size of [SIZE, 10, 0]) {
        const bytes = bytesOf(size);
        await subject.put(ONE, bytes);
        const read = await piecesOf(subject, (_, whole) => [whole]);
        assertThat(read instanceof Uint8Array, "pieces.read: gives no pieces where the entry is not to be cut");
        assertThat(bytes.equals(read as Uint8Array), "pieces.read: gives the entry");
      }
    },
  },
  {
    name: "pieces: an absent entry is undefined",
    async check(subject) {
      const cut = () => assertThat(false, "pieces.read: asks nothing of an absent entry") as never;
      assertEqual(await piecesOf(subject, cut), undefined, "pieces.read: gives undefined of an absent entry");
    },
  },
];

async function piecesOf(subject: Subject, cut: Cut) {
  const { engine, mayWait } = subject;
  const given = subject.given("pieces.read", engine.pieces!.read(FOLDER, { digest: ONE }, cut, mayWait), mayWait);
  return isPromise(given) ? await given : given;
}
