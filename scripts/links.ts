// Finds links in a Markdown page that lead nowhere: relative paths without a file, anchors without a heading.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Returns the relative links of a page, as they are written, that lead to no file or to no heading. */
export function brokenLinks(page: string): string[] {
  return linksIn(readFileSync(page, "utf8")).filter((link) => !leadsSomewhere(page, link));
}

/** Links to other sites are not looked at. */
function linksIn(markdown: string): string[] {
  const prose = withoutCodeBlocks(markdown).replace(/(`+)[^`]+\1/g, "");
  const links = [...prose.matchAll(/\]\(([^()\s]+)|^\[[^\]]+\]: *(\S+)/gm)].map((match) => match[1] ?? match[2]!);
  return links.filter((link) => !/^([a-z][a-z\d+.-]*:|\/\/)/i.test(link));
}

function leadsSomewhere(page: string, link: string): boolean {
  const [path, anchor] = link.split("#") as [string, string?];
  const target = path === "" ? page : join(dirname(page), decodeURI(path));
  if (!existsSync(target)) return false;
  return anchor === undefined || anchorsIn(readFileSync(target, "utf8")).has(anchor);
}

/** Returns the anchors of the headings, as GitHub makes them: a heading that repeats gets a number. */
function anchorsIn(markdown: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading] of withoutCodeBlocks(markdown).matchAll(/^#{1,6} +(.+)$/gm)) {
    const text = heading!.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").trim();
    const slug = text
      .toLowerCase()
      .replace(/[^\p{L}\p{M}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-");
    let anchor = slug;
    for (let repeated = 1; anchors.has(anchor); repeated++) anchor = `${slug}-${repeated}`;
    anchors.add(anchor);
  }
  return anchors;
}

function withoutCodeBlocks(markdown: string): string {
  return markdown.replace(/^ *(`{3,})[^`\n]*\n[\s\S]*?^ *\1`*$/gm, "");
}
