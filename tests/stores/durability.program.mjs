/** Prints, in their order, the calls of the file system that make results safe and visible. Its argument: the directory. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

let seen;
for (const name of ["fsync", "rename"]) {
  for (const each of [name, `${name}Sync`]) {
    const { [each]: original } = fs;
    fs[each] = (...args) => {
      seen.push(name);
      return original(...args);
    };
  }
}
syncBuiltinESMExports();

const { createCache } = await import("../../dist/index.js");
const dir = process.argv[2];
const told = {};

async function watch(what, action) {
  seen = [];
  await action();
  told[what] = seen.join(" ");
}

const LARGE = "x".repeat(200_000);
for (const durability of [undefined, "none", "file"]) {
  const plain = createCache({ dir }).permacache;
  const durable = createCache({ dir, ...(durability && { durability }) }).permacache;
  for (const [size, value] of [
    ["small", 1],
    ["large", LARGE],
  ]) {
    const at = `${size}/${durability ?? "default"}`;
    const own = durability && { durability };
    await watch(`cache ${at}`, () => durable(`c/${at}`)((x) => [x, value])(1));
    await watch(`cache async ${at}`, () => durable(`ca/${at}`)(async (x) => [x, value])(1));
    await watch(`function ${at}`, () => plain(`f/${at}`, own)((x) => [x, value])(1));
    await watch(`function async ${at}`, () => plain(`fa/${at}`, own)(async (x) => [x, value])(1));
    await watch(`call ${at}`, () => plain(`k/${at}`)((x) => [x, value]).with(own ?? {})(1));
    await watch(`call async ${at}`, () => plain(`ka/${at}`)(async (x) => [x, value]).with(own ?? {})(1));
    await watch(`batch ${at}`, () => plain(`b/${at}`, { parallel: "xs", ...own })((xs) => xs)([1, 2]));
    await watch(`prime ${at}`, () => plain(`p/${at}`, own)((x) => x).prime(value, 1));
  }
}
const narrow = createCache({ dir, durability: "file" }).permacache("narrow", { durability: "none" })((x) => x);
await watch("function none in a cache", () => narrow(1));
await watch("call file of a function", () => narrow.with({ durability: "file" })(2));
console.log(JSON.stringify(told));
