// What is between the data of a body in chunks (RFC 9112, section 7.1), a byte at a time. To the letter of the standard: lines
// end with CR LF, a size is hexadecimal digits and nothing else. Extensions and the trailer are read and dropped, and bounded.
//
//   size (extension) LF -> data CR LF -> size ...
//                   '- 0 -> (line CR LF) ... -> CR LF

/** What a byte led to: more is to come before the data of a chunk, that data, the end of the body; or it breaks the rules. */
export type Step = "more" | "data" | "done" | "broken";

/** The line with a chunk's size, with its extensions, and all lines of the trailer; bytes. */
const maxLineBytes = 256;
const maxTrailerBytes = 4096;
/** More than any stream has, and exact in a double. */
const maxSizeDigits = 12;

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const SEMICOLON = 0x3b;
const DELETE = 0x7f;

type Phase =
  | "size"
  | "extension"
  | "size LF"
  | "data CR"
  | "data LF"
  | "trailer"
  | "trailer line"
  | "trailer LF"
  | "last LF"
  | "done"
  | "broken";

export class ChunkSyntax {
  #phase: Phase = "size";
  #size = 0;
  #digits = 0;
  /** Bytes of the line with a size, or of the trailer. */
  #lineBytes = 0;
  #problem = "";

  /** Bytes of the chunk whose data comes, or was the last to come. */
  get size(): number {
    return this.#size;
  }

  /** What is wrong with a body that is broken. */
  get problem(): string {
    return this.#problem;
  }

  /** The next byte that is not of a chunk's data. */
  step(byte: number): Step {
    switch (this.#phase) {
      case "size":
        return this.#inSize(byte);
      case "extension":
        return this.#inLine(byte, "size LF", maxLineBytes, "chunk extensions");
      case "size LF":
        return this.#sizeLineEnds(byte);
      case "data CR":
        return this.#expect(byte, CR, "data LF", "a chunk is longer than its size");
      case "data LF":
        return this.#expect(byte, LF, "size", "a chunk does not end with CR LF");
      case "trailer":
        if (byte === CR) return this.#go("last LF");
        return this.#inLine(byte, "trailer LF", maxTrailerBytes, "the trailer");
      case "trailer line":
        return this.#inLine(byte, "trailer LF", maxTrailerBytes, "the trailer");
      case "trailer LF":
        return this.#expect(byte, LF, "trailer", "a trailer line does not end with CR LF");
      case "last LF":
        if (this.#expect(byte, LF, "done", "the body does not end with CR LF") === "broken") return "broken";
        return "done";
      case "done":
        return "done";
      case "broken":
        return "broken";
      default:
        return this.#phase satisfies never;
    }
  }

  #inSize(byte: number): Step {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      if (this.#digits === 0) this.#size = 0;
      if (++this.#digits > maxSizeDigits) return this.#break("a chunk size has too many digits");
      this.#size = this.#size * 16 + digit;
      return "more";
    }
    if (this.#digits === 0) return this.#break("a chunk has no size");
    if (byte === CR) return this.#go("size LF");
    if (byte === SEMICOLON) return this.#go("extension");
    return this.#break("a chunk size is not a hexadecimal number");
  }

  #sizeLineEnds(byte: number): Step {
    if (byte !== LF) return this.#break("a chunk size line does not end with CR LF");
    this.#digits = 0;
    this.#lineBytes = 0;
    if (this.#size === 0) return this.#go("trailer");
    this.#phase = "data CR";
    return "data";
  }

  /** Within a line that is dropped. */
  #inLine(byte: number, behind: Phase, maxBytes: number, what: string): Step {
    if (++this.#lineBytes > maxBytes) return this.#break(`more than ${maxBytes} bytes of ${what}`);
    if (byte === CR) return this.#go(behind);
    if ((byte < SPACE && byte !== TAB) || byte === DELETE)
      return this.#break(`a control character in ${what}`);
    if (this.#phase === "trailer") this.#phase = "trailer line";
    return "more";
  }

  #expect(byte: number, wanted: number, next: Phase, otherwise: string): Step {
    return byte === wanted ? this.#go(next) : this.#break(otherwise);
  }

  #go(phase: Phase): Step {
    this.#phase = phase;
    return "more";
  }

  #break(problem: string): Step {
    this.#phase = "broken";
    this.#problem = problem;
    return "broken";
  }
}

/** -1: it is none. */
function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
