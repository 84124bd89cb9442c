// The text of a request or a reply: `WORD[,KEY=VALUE]...` in UTF-8 (README.md, "Text"). A value extends to the
// next comma and may contain `=`; `KEY*=VALUE` has bytes written as %XX, for values with a comma.

/** A parsed text: its first word, and for each key the value that counts (the last one; the starred one, if not empty). */
export interface Text {
  readonly word: string;
  readonly fields: ReadonlyMap<string, string>;
  /** Keys whose `KEY*=` is not valid percent-encoded UTF-8; not in `fields`. Only matters for known keys. */
  readonly broken: ReadonlySet<string>;
}

/** Parses a text. There is a result for any text. */
export function parseText(text: string): Text {
  const [word, ...parts] = text.split(",");
  const fields = new Map<string, string>();
  const starred = new Map<string, string>();
  const broken = new Set<string>();
  for (const part of parts) {
    const equals = part.indexOf("=");
    if (equals < 1) continue;
    const key = part.slice(0, equals);
    const value = part.slice(equals + 1);
    if (key.endsWith("*")) starred.set(key.slice(0, -1), value);
    else fields.set(key, value);
  }
  for (const [key, value] of fields) if (value === "") fields.delete(key);
  for (const [key, value] of starred) {
    if (value === "") continue;
    const decoded = percentDecode(value);
    if (decoded !== undefined) {
      fields.set(key, decoded);
    } else {
      fields.delete(key);
      broken.add(key);
    }
  }
  return { word, fields, broken };
}

/** Formats a text. A key is starred only if its value needs it; empty values are left out. */
export function formatText(word: string, fields: Iterable<readonly [key: string, value: string]>): string {
  let text = word;
  for (const [key, value] of fields) {
    if (value === "") continue;
    text += value.includes(",") ? `,${key}*=${percentEncode(value)}` : `,${key}=${value}`;
  }
  return text;
}

/** `value` with everything that could end it, or look like an escape, as %XX. */
export function percentEncode(value: string): string {
  return value.replace(/[%,\u0000-\u001f\u007f]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
  });
}

function percentDecode(value: string): string | undefined {
  try {
    return decodeURIComponent(value);
  } catch {
    // A % without two hex digits, or bytes that are not UTF-8.
    return undefined;
  }
}
