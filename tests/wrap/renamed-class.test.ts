import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { exportTo } from "../../src/cache/archive/export.js";
import { importFrom } from "../../src/cache/archive/import.js";
import { createCache, defineType } from "../../src/index.js";
import { FileEngine } from "../../src/stores/file/file-engine.js";
import { Store } from "../../src/stores/store.js";
import { differenceOf } from "../entry/faithful.js";
import { newDirectory } from "../place.js";

/** The class as it is called now; older programs called it Point, and before that Pair. */
class Vector {
  constructor(
    readonly x: number,
    readonly y: unknown,
  ) {}
}
defineType(Vector, {
  name: "renamed-class.test/Vector",
  aliases: ["renamed-class.test/Point", "renamed-class.test/Pair"],
  encode: ({ x, y }) => ({ x, y }),
  decode: ({ x, y }) => new Vector(x, y),
});

/** What an older program stored, by the argument of its function; and what it is now. */
const VALUES: Record<string, [stored: string, now: unknown]> = {
  alone: ["new C(1, 2)", new Vector(1, 2)],
  "in an array": ["[new C(1, undefined), 3]", [new Vector(1, undefined), 3]],
  "in an object": ["({ p: new C(1, { q: new C(2, 3n) }) })", { p: new Vector(1, { q: new Vector(2, 3n) }) }],
  "in a Map, as key and value": [
    "new Map([[new C(1, 2), new C(3, 4)]])",
    new Map([[new Vector(1, 2), new Vector(3, 4)]]),
  ],
  "in a Set": ["new Set([new C(1, new Date(5))])", new Set([new Vector(1, new Date(5))])],
  "in an error": [
    "Object.assign(new Error('e', { cause: new C(1, 2) }), { stack: 's' })",
    Object.assign(new Error("e", { cause: new Vector(1, 2) }), { stack: "s" }),
  ],
  "in two places": ["((p) => [p, p, new C(3, p)])(new C(1, 2))", ((p) => [p, p, new Vector(3, p)])(new Vector(1, 2))],
};

/** A program from before the rename stores all of them. */
async function olderProgram(t: ExecutionContext, name: string, codec: "auto" | "json"): Promise<string> {
  const dir = join(newDirectory(t), "cache");
  const source = `import { createCache, defineType } from "permacache";
    class C { constructor(x, y) { this.x = x; this.y = y; } }
    defineType(C, { name: ${JSON.stringify(`renamed-class.test/${name}`)}, encode: ({ x, y }) => ({ x, y }), decode: ({ x, y }) => new C(x, y) });
    const values = { ${Object.entries(VALUES).map(([what, [stored]]) => `${JSON.stringify(what)}: () => ${stored}`)} };
    const { permacache } = createCache({ dir: ${JSON.stringify(dir)}, codec: ${JSON.stringify(codec)}, onError: "throw" });
    const f = permacache("old/f")((what) => values[what]());
    for (const what of Object.keys(values)) f(what);`;
  await promisify(execFile)(process.execPath, ["--input-type=module", "-e", source]);
  return dir;
}

for (const name of ["Point", "Pair"]) {
  for (const codec of ["auto", "json"] as const) {
    test(`entries of a class before its rename come back as the new class, without recomputing (${name}, codec ${codec})`, async (t) => {
      const dir = await olderProgram(t, name, codec);
      const f = createCache({ dir, onError: "throw" }).permacache("old/f")((what: string): unknown => t.fail(what));
      for (const [what, [, now]] of Object.entries(VALUES)) t.is(differenceOf(now, f(what)), undefined, what);
    });

    test(`likewise after an export and an import (${name}, codec ${codec})`, async (t) => {
      const store = Store.over(FileEngine.at(await olderProgram(t, name, codec)));
      const archive = join(newDirectory(t), "archive");
      const there = join(newDirectory(t), "cache");
      await exportTo(store, "old/f", archive);
      await importFrom(Store.over(FileEngine.at(there)), "new/f", archive);
      const f = createCache({ dir: there, onError: "throw" }).permacache("new/f")((what: string): unknown =>
        t.fail(what),
      );
      for (const [what, [, now]] of Object.entries(VALUES)) t.is(differenceOf(now, f(what)), undefined, what);
    });
  }
}

test("what is stored from now on bears the new name: an older program computes anew, and never gets a wrong value", async (t) => {
  const dir = join(newDirectory(t), "cache");
  createCache({ dir }).permacache("old/f")((what: string) => [what, new Vector(1, 2)])("x");
  const source = `import { createCache, defineType } from "permacache";
    class C { constructor(x, y) { this.x = x; this.y = y; } }
    defineType(C, { name: "renamed-class.test/Point", encode: ({ x, y }) => ({ x, y }), decode: ({ x, y }) => new C(x, y) });
    const { permacache } = createCache({ dir: ${JSON.stringify(dir)}, onError: () => {} });
    console.log(permacache("old/f")((what) => "computed")("x"));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", source]);
  t.is(stdout.trim(), "computed");
});
