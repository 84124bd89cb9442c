// What a server says first: a reply frame, or a stream. Or neither, because no fstream answers at that port: TLS
// and HTTP servers, our own among them, are recognised by their error (an alert of RFC 8446, section 6; a status
// line of RFC 9112, section 4). That is an error of ours, and never part of a stream. Pure.

import { FstreamError } from "../errors.ts";
import { ReplyDecoder, type ReplyResult } from "../protocol/reply.ts";
import type { Request } from "../protocol/request.ts";

/** The usual ports, for a hint. */
export const usualPorts = "usual ports: 61920 (plain), 61922 (fstreams://), 61921 (https://, for tokens)";

/** For what is asked at `place` without TLS, and speaks TLS. */
export function httpsHint(place: string): string {
  return `if this is the HTTPS port, use https://${place}`;
}

/** How the others begin: for each byte, what it may be. Record type, version, length of an alert, its level. */
const beginnings: readonly { readonly name: string; readonly bytes: readonly (readonly number[])[] }[] = [
  { name: "TLS", bytes: [[0x15], [3], [0, 1, 2, 3, 4], [0], [2], [1, 2]] },
  { name: "HTTP", bytes: text("HTTP/1.") },
  // RFC 4253, section 4.2.
  { name: "SSH", bytes: text("SSH-2.0-") },
];

function text(letters: string): readonly (readonly number[])[] {
  return Array.from(letters, (letter) => [letter.charCodeAt(0)]);
}

/** A ReplyDecoder that throws FstreamError `failed` if the first bytes are those of another protocol. */
export class FirstReply {
  readonly #decoder = new ReplyDecoder();
  readonly #place: string;
  readonly #verb: Request["intent"];
  /** Bytes of a stream that may turn out to be another protocol's. */
  #doubtful: Uint8Array = new Uint8Array(0);
  #settled = false;

  /** For what comes from `place`, where `verb` was asked for. */
  constructor(place: string, verb: Request["intent"]) {
    this.#place = place;
    this.#verb = verb;
  }

  /** As ReplyDecoder's; "more" also while the first few bytes may be another protocol's. */
  feed(bytes: Uint8Array): ReplyResult {
    if (this.#settled) return this.#decoder.feed(bytes);
    const result: ReplyResult =
      this.#doubtful.length > 0
        ? { type: "stream", bytes: Buffer.concat([this.#doubtful, bytes]) }
        : this.#decoder.feed(bytes);
    if (result.type === "more") return result;
    if (result.type === "stream") {
      for (const { name, bytes: beginning } of beginnings) {
        if (!agrees(result.bytes, beginning)) continue;
        if (result.bytes.length >= beginning.length) throw this.#stranger(name);
        this.#doubtful = result.bytes;
        return { type: "more" };
      }
    }
    this.#doubtful = new Uint8Array(0);
    this.#settled = true;
    return result;
  }

  /** What was fed but not given back: at the connection's end, bytes of a stream. */
  get kept(): Uint8Array {
    return this.#doubtful.length > 0 ? this.#doubtful : this.#decoder.kept;
  }

  #stranger(name: string): FstreamError {
    const hint = this.#verb === "token" && name === "TLS" ? httpsHint(this.#place) : usualPorts;
    return new FstreamError("failed", `${this.#place} speaks ${name}, not fstream`, { hint });
  }
}

/** Whether `bytes` are as `beginning` has it, as far as both go. */
function agrees(bytes: Uint8Array, beginning: readonly (readonly number[])[]): boolean {
  return beginning.every((allowed, index) => index >= bytes.length || allowed.includes(bytes[index]));
}
