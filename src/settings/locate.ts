// Finds the line of a settings file on which a key stands, for error messages: the TOML parser gives places
// only of what it can't parse. A reader of lines, not of TOML: where a file is laid out so that it can't tell
// (a key inside a multi-line array), the answer is undefined or, at worst, a nearby line.

/** The line, counted from 1, on which `section` begins, or `key` in it is set; undefined where unknown. */
export function locate(source: string, section: string, key?: string): number | undefined {
  let current = "";
  let inside: string | undefined; // the quotes that end the multi-line string we are in
  let inline: number | undefined;
  for (const [index, line] of source.split("\n").entries()) {
    if (inside !== undefined) {
      if (line.includes(inside)) inside = undefined;
      continue;
    }
    const text = line.trim();
    if (text.startsWith("#")) continue;
    const header = /^\[\[?([^\]]*)\]/.exec(text);
    if (header !== null) {
      current = bare(header[1]);
      if (key === undefined && current.split(".")[0] === section) return index + 1;
      continue;
    }
    inside = ['"""', "'''"].find((quotes) => text.split(quotes).length % 2 === 0);
    const name = /^([^=]*)=/.exec(text);
    if (name === null) continue;
    const full = current === "" ? bare(name[1]) : `${current}.${bare(name[1])}`;
    if (key !== undefined && (full === join(section, key) || full.startsWith(`${join(section, key)}.`)))
      return index + 1;
    if (section !== "" && (full === section || full.startsWith(`${section}.`)) && current === "")
      inline ??= index + 1; // section = { ... }, or section.key at the top
  }
  return inline;
}

function join(section: string, key: string): string {
  return section === "" ? key : `${section}.${key}`;
}

/** A dotted key without quotes and spaces. */
function bare(name: string): string {
  return name
    .split(".")
    .map((part) => part.trim().replace(/^(["'])(.*)\1$/, "$2"))
    .join(".");
}
