// What the man pages are written with: a little Markdown as roff with the man macros (groff_man(7), mandoc's man(7)). Sentences begin
// on lines of their own, and no line of the source is longer than 80 characters, as both programs ask for.

const lineWidth = 80;

/** The parts of a page in one. A heading begins a paragraph of its own. */
export function page(parts: readonly string[]): string {
  return parts.join("").replace(/^(\.S[HS] .*\n)\.PP\n/gm, "$1");
}

/** The first lines of a page, whose words are not hyphenated: many are typed as they are. `date` is YYYY-MM-DD. */
export function title(name: string, section: number, date: string, source: string): string {
  return `.TH ${name.toUpperCase()} ${section} ${date} "${source}" "fstream manual"\n.nh\n.ad l\n`;
}

export function heading(text: string): string {
  return `.SH ${text.toUpperCase()}\n`;
}

export function subheading(text: string): string {
  return `.SS ${text}\n`;
}

/** Paragraphs, lists with "- " and indented blocks of code, with nothing but an empty line between them. */
export function markdown(text: string): string {
  return text
    .split(/\n\n+|\n(?=- )/)
    .map((part) => {
      if (part.startsWith("    ")) return code(part.replace(/^ {4}/gm, "").trimEnd());
      if (part.startsWith("- ")) return `.IP \\(bu 2\n${flow(part.slice(2))}`;
      return `.PP\n${flow(part)}`;
    })
    .join("");
}

/** An entry of a list of terms: `head` as `synopsis` and `literal` give it, and texts in Markdown, each on a line of its own. */
export function term(head: string, ...texts: readonly string[]): string {
  return `.TP\n${head}\n${texts.map(flow).join(".br\n")}`;
}

/** How something is called: words and flags bold, what stands for something (in capitals) italic. */
export function synopsis(text: string): string {
  return text
    .split(/([A-Z]+\b|--?[a-z][\w-]*|\b[a-z][\w.-]*)/)
    .map((part, index) => {
      if (index % 2 === 0) return typed(part);
      return /^[A-Z]/.test(part) ? path(part) : literal(part);
    })
    .join("");
}

/** Calls of the program, one a line. What is in brackets is not broken. */
export function synopses(ways: readonly string[]): string {
  const lines = ways.map((way) => {
    const kept = synopsis(way).replace(/\[[^\]]*\]/g, (part) => part.replaceAll(" ", "\\~"));
    return folded(kept).join("\n");
  });
  return `.PP\n${lines.join("\n.br\n")}\n`;
}

/** Text that is typed as it is. */
export function literal(text: string): string {
  return `\\fB${typed(text)}\\fR`;
}

/** A path, or what stands for something. */
export function path(text: string): string {
  return `\\fI${typed(text)}\\fR`;
}

/** The texts of a paragraph, filled: what is in backquotes is literal, and so are flags and variables. */
function flow(text: string): string {
  const sentences = text
    .trim()
    .replaceAll(/\s+/g, " ")
    .split(/(?<=[\w)"`\]][.?!]) (?=[A-Z`"])/);
  return sentences
    .flatMap((sentence) => folded(inline(sentence)))
    .map((line) => `${shielded(line)}\n`)
    .join("");
}

function inline(text: string): string {
  return text
    .split(/(`[^`]+`|(?<![\w-])--[a-z][\w-]*)/)
    .map((part, index) => (index % 2 === 0 ? escaped(part) : literal(part.replaceAll("`", ""))))
    .join("");
}

/** The lines of a sentence. A literal of several words stays one: roff carries the font over a line's end. */
function folded(sentence: string): readonly string[] {
  const lines: string[] = [];
  for (const word of sentence.split(" ")) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length < lineWidth)
      lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function code(text: string): string {
  const lines = text.split("\n").map((line) => shielded(typed(line)));
  return `.PP\n.RS 4\n.nf\n${lines.join("\n")}\n.fi\n.RE\n`;
}

/** Text whose dashes are those of a keyboard. */
function typed(text: string): string {
  return escaped(text).replaceAll("-", "\\-");
}

function escaped(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("'", "\\(aq")
    .replaceAll("`", "\\(ga")
    .replaceAll("^", "\\(ha")
    .replaceAll("~", "\\(ti")
    .replaceAll("...", ".\\|.\\|.");
}

/** A line that begins with a dot or an apostrophe would be a request. */
function shielded(line: string): string {
  return /^[.']/.test(line) ? `\\&${line}` : line;
}
