import { createHash } from "node:crypto";
import test from "ava";
import fc from "fast-check";
import * as node from "../../src/key/node.js";
import * as portable from "../../src/key/portable.js";

const agree = test.macro({
  exec(t, data: string | Uint8Array) {
    const digest = createHash("sha256").update(data).digest("hex");
    t.is(node.sha256(data), digest);
    t.is(portable.sha256(data), digest);
  },
  title: (name = "") => `both give SHA-256 of ${name}`,
});

test("nothing", agree, "");
test("no bytes", agree, new Uint8Array(0));
test("ASCII", agree, "abc");
test("UTF-8 of 2, 3 and 4 bytes", agree, "é€😀\u2028\u0000");
test("a lone surrogate, which counts as U+FFFD", agree, "a\ud800b\udc00");
test("one block less the length", agree, "x".repeat(55));
test("a block and the length", agree, "x".repeat(56));
test("one block", agree, "x".repeat(64));
test("a megabyte of text", agree, "0123456789abcdé".repeat(2 ** 16));
test(
  "a megabyte of bytes",
  agree,
  new Uint8Array(2 ** 20).map((_, i) => i * 31),
);
test("a view with an offset", agree, new Uint8Array([9, 9, 1, 2, 3, 9]).subarray(2, 5));
test("a Buffer of the pool", agree, Buffer.from("pooled"));
test("shared memory", agree, new Uint8Array(new SharedArrayBuffer(3)).fill(7));

test("nothing has the digest that is known for it", (t) => {
  t.is(portable.sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
});

test("both agree on any text", (t) => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => node.sha256(text) === portable.sha256(text)));
  fc.assert(
    fc.property(fc.array(fc.nat(0xffff)), (units) => {
      const text = String.fromCharCode(...units);
      return node.sha256(text) === portable.sha256(text);
    }),
  );
  t.pass();
});

test("both agree on any bytes, at any offset", (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, offset) => {
      const view = bytes.subarray(offset);
      return node.sha256(view) === portable.sha256(view);
    }),
  );
  t.pass();
});
