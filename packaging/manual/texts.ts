// What both pages say of a text from the program's tables, which is lower case and without a full stop.

/** A sentence. */
export function sentence(text: string): string {
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}
