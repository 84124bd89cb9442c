// Links of the documents to each other, and to places in them, lead somewhere. How a heading becomes a place is as GitHub has it.

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const root = join(import.meta.dir, "..");
const pages = [
  "README.md",
  "SECURITY.md",
  "CONTRIBUTING.md",
  "src/protocol/README.md",
  ...new Bun.Glob("docs/*.md").scanSync(root),
];

function placesOf(path: string): Set<string> {
  const headings = readFileSync(join(root, path), "utf8").matchAll(/^#+ (.*)$/gm);
  return new Set(
    Array.from(headings, ([, heading]) =>
      heading
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}_\- ]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

test.each(pages)("the links of %s lead somewhere", (page) => {
  const links = readFileSync(join(root, page), "utf8").matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g);
  const broken = Array.from(links, ([, inText, inTag]) => inText ?? inTag)
    .filter((link) => !/^https?:/.test(link) && !link.startsWith("$"))
    .filter((link) => {
      const [file, place] = link.split("#");
      const path = file === "" ? page : join(dirname(page), file);
      return !existsSync(join(root, path)) || (place !== undefined && !placesOf(path).has(place));
    });
  expect(broken).toEqual([]);
});
