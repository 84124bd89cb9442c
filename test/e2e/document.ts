// What stands in the pages of docs/: their blocks as they stand there, but for addresses and paths.

import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What stands in place of what, in a block of a page. */
type Changes = Readonly<Record<string, string>>;

export interface Document {
  readonly text: string;
  /** The block of the page that begins with `beginning`, changed. Throws where the page does not have it, or what is to be changed. */
  readonly block: (language: string, beginning: string, changes?: Changes) => string;
}

/** A page of docs/. */
export function documentOf(page: string): Document {
  const text = readFileSync(join(import.meta.dir, "../../docs", page), "utf8");
  const blocks = Array.from(text.matchAll(/^```(\w+)\n([^]*?)^```$/gm));
  return {
    text,
    block(language, beginning, changes = {}) {
      const found = blocks.find((parts) => parts[1] === language && parts[2].startsWith(beginning));
      if (found === undefined)
        throw new Error(`no ${language} block of docs/${page} begins with ${beginning}`);
      let [, , block] = found;
      for (const [from, to] of Object.entries(changes)) {
        if (!block.includes(from)) throw new Error(`docs/${page} no longer says ${from}`);
        block = block.replaceAll(from, to);
      }
      return block;
    },
  };
}
