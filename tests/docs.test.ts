import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { brokenLinks } from "../scripts/links.js";

const docs = readdirSync("docs", { encoding: "utf8" })
  .filter((name) => name.endsWith(".md"))
  .map((name) => `docs/${name}`);

for (const page of ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", ...docs]) {
  test(`every link in ${page} leads to a file and a heading`, (t) => {
    t.deepEqual(brokenLinks(page), []);
  });
}

test("the README lists every page of docs/", (t) => {
  const readme = readFileSync("README.md", "utf8");
  t.deepEqual(
    docs.filter((page) => !new RegExp(`^\\| \\[.+\\]\\(${page}\\) \\| \\S`, "m").test(readme)),
    [],
  );
});

test("every test that the README names exists", (t) => {
  const tests = readdirSync("tests", { recursive: true, encoding: "utf8" }).map(
    (path) => `/${path.replaceAll("\\", "/")}`,
  );
  const named = [...readFileSync("README.md", "utf8").matchAll(/`([\w./-]+\.ts)`/g)].map((match) => match[1]!);
  t.true(named.length > 0);
  t.deepEqual(
    named.filter((name) => !tests.some((path) => path.endsWith(`/${name}`))),
    [],
  );
});

const OTHER = "# One\n\n## What is `in` it?\n\n## Twice\n\n## Twice\n\n```sh\n## no heading\n```\n";
const LINKS: readonly [link: string, leads: boolean][] = [
  ["other.md", true],
  ["other.md#one", true],
  ["other.md#what-is-in-it", true],
  ["other.md#twice-1", true],
  ["#the-page-itself", true],
  ["https://nowhere.invalid/x.md", true],
  ["missing.md", false],
  ["other.md#two", false],
  ["other.md#twice-2", false],
  ["other.md#no-heading", false],
  ["#other", false],
];
for (const [link, leads] of LINKS) {
  test(`a link to ${link} ${leads ? "leads somewhere" : "is broken"}`, (t) => {
    const dir = mkdtempSync(join(tmpdir(), "permacache-docs-"));
    t.teardown(() => rmSync(dir, { recursive: true, force: true }));
    writeFileSync(join(dir, "other.md"), OTHER);
    const page = join(dir, "page.md");
    const broken = leads ? [] : [link];
    writeFileSync(
      page,
      `# The page itself\n\nA [\`link\`](${link}).\n\n\`[code](a.md)\`\n\n\`\`\`md\n[code](b.md)\n\`\`\`\n`,
    );
    t.deepEqual(brokenLinks(page), broken);
    writeFileSync(page, `# The page itself\n\nA [link][1].\n\n[1]: ${link}\n`);
    t.deepEqual(brokenLinks(page), broken);
  });
}
