// What a server says first: a reply frame, or a stream. Or neither, because no fstream answers at that port: servers of TLS and HTTP,
// our own among them, and others are known by their first bytes (otherprotocol.ts). That is an error of ours, and never part of a
// stream. To a broadcaster nobody sends a stream: whatever it gets first must be a reply. Pure.

import { FstreamError } from "../errors.ts";
import { ReplyDecoder, type ReplyResult } from "../protocol/reply.ts";
import type { Request } from "../protocol/request.ts";
import { otherProtocol } from "./otherprotocol.ts";

/** The usual ports, for a hint. */
export const usualPorts = "usual ports: 61920 (plain), 61922 (fstreams://), 61921 (https://, for tokens)";

/** For what is asked at `place` without TLS, and speaks TLS. */
export function httpsHint(place: string): string {
  return `if this is the HTTPS port, use https://${place}`;
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
      const other = otherProtocol(result.bytes);
      if (other === "more") {
        this.#doubtful = result.bytes;
        return { type: "more" };
      }
      if (other !== undefined) throw this.#stranger(other.name);
      if (this.#verb === "broadcast") throw this.#stranger();
    }
    this.#doubtful = new Uint8Array(0);
    this.#settled = true;
    return result;
  }

  /** What was fed but not given back: at the connection's end, bytes of a stream. */
  get kept(): Uint8Array {
    return this.#doubtful.length > 0 ? this.#doubtful : this.#decoder.kept;
  }

  /** The server of a broadcaster has no more to say. Throws FstreamError if it has said something, and no whole reply. */
  end(): void {
    if (this.#settled) return;
    if (this.#doubtful.length > 0) throw this.#stranger();
    if (this.#decoder.kept.length > 0)
      throw new FstreamError(
        "disconnected",
        `${this.#place} closed the connection midway through its answer`,
      );
  }

  #stranger(name?: string): FstreamError {
    const place = this.#place;
    if (name === undefined)
      return new FstreamError("failed", `${place} does not speak fstream: invalid reply`, {
        hint: usualPorts,
      });
    return new FstreamError("failed", `${place} speaks ${name}, not fstream`, { hint: this.#hint(name) });
  }

  #hint(name: string): string {
    if (name !== "TLS") return usualPorts;
    return this.#verb === "token"
      ? `${httpsHint(this.#place)}; if it is the TLS port, use fstreams://${this.#place}`
      : `if this is the TLS port, use fstreams://${this.#place}; ${usualPorts}`;
  }
}
