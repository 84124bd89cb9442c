// The body of a request, from the bytes of its connection (RFC 9112, sections 6 and 7.1). It may never end, so nothing of it
// is kept: it is handed over as views of the input. Incremental, linear in the input, and bounded.

import { ChunkSyntax } from "./chunks.ts";
import type { Framing } from "./framing.ts";
import { Gathering } from "./gathering.ts";

/** How far a body has come. */
export type Progress =
  /** So many bytes of the input were taken: the rest is to be fed next. */
  | { readonly type: "more"; readonly taken: number }
  /** All of it is there; what follows in the input is not looked at. */
  | { readonly type: "complete" }
  /** It breaks the rules: what came before that was handed over. */
  | { readonly type: "malformed"; readonly message: string };

/** So many bytes between the data of chunks are taken at once. */
const stepsAtOnce = 4096;

export class BodyDecoder {
  readonly #chunks: ChunkSyntax | undefined;
  readonly #endsWithConnection: boolean;
  #bytes = 0;
  /** Bytes of the stream that follow before anything else. */
  #ahead: number;
  #isComplete: boolean;
  readonly #gathering = new Gathering();

  constructor(framing: Framing) {
    this.#chunks = framing.type === "chunked" ? new ChunkSyntax() : undefined;
    this.#endsWithConnection = framing.type === "close";
    if (framing.type === "length") this.#ahead = framing.bytes;
    else this.#ahead = this.#endsWithConnection ? Number.POSITIVE_INFINITY : 0;
    this.#isComplete = framing.type === "length" && framing.bytes === 0;
  }

  /** Bytes of the stream that have come. */
  get bytes(): number {
    return this.#bytes;
  }

  /** As many bytes come next that are all of the stream. They may be read past this decoder: see `pass`. */
  get ahead(): number {
    return this.#ahead;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** `bytes` of those that were ahead have been read otherwise. */
  pass(bytes: number): void {
    this.#bytes += bytes;
    this.#ahead -= bytes;
    if (this.#ahead === 0 && this.#chunks === undefined) this.#isComplete = true;
  }

  /**
   * Takes the next bytes, as many as is quickly done, and hands those of the stream to `take`, as views: in order, but moved
   * within `bytes` where chunks are small. To be fed until there is another answer than "more", which is then the answer
   * whatever comes.
   */
  feed(bytes: Uint8Array, take: (bytes: Uint8Array) => void): Progress {
    let problem: string | undefined;
    let at = 0;
    for (let steps = 0; at < bytes.length && !this.#isComplete && problem === undefined; ) {
      if (this.#ahead === 0) {
        if (steps++ === stepsAtOnce) break;
        problem = this.#step(bytes[at++]);
        continue;
      }
      const count = Math.min(this.#ahead, bytes.length - at);
      this.#gathering.add(bytes, at, count, take);
      this.pass(count);
      at += count;
    }
    this.#gathering.handOver(take);
    if (problem !== undefined) return { type: "malformed", message: problem };
    return this.#isComplete ? { type: "complete" } : { type: "more", taken: at };
  }

  /** The connection's orderly end. */
  end(): "complete" | "truncated" {
    return this.#isComplete || this.#endsWithConnection ? "complete" : "truncated";
  }

  /** A byte between the data of chunks. Gives what is wrong, if something is. */
  #step(byte: number): string | undefined {
    const chunks = this.#chunks;
    const step = chunks?.step(byte);
    if (step === "data") this.#ahead = chunks?.size ?? 0;
    else if (step === "done") this.#isComplete = true;
    else if (step === "broken") return chunks?.problem;
    return undefined;
  }
}
