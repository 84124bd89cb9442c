// What a server says to a broadcaster while it sends: `ok` when the stream begins, perhaps an `error` later,
// `ok,bytes=N` after the FIN, and not before. A server of the original protocol says nothing at all. Reads until the server
// has no more to say, and however much that is, yields to everything else.

import { FstreamError } from "../errors.ts";
import { shownUrl } from "../protocol/pageurl.ts";
import type { ServerConnection } from "./connection.ts";
import { FirstReply } from "./firstreply.ts";
import { TimeSlice } from "./timeslice.ts";

export class Replies {
  readonly #change: () => void;
  #accepted = false;
  #url: string | undefined;
  #error: FstreamError | undefined;
  #bytes: number | undefined;
  #ended = false;

  /** Reads from `connection` from now on, and calls `change` whenever one of the below has changed. */
  constructor(connection: ServerConnection, change: () => void) {
    this.#change = change;
    void this.#listen(connection);
  }

  /** Whether the server has said that the stream begins. */
  get accepted(): boolean {
    return this.#accepted;
  }

  /** Where people can watch, if the server has said so: safe to be shown. */
  get url(): string | undefined {
    return this.#url;
  }

  get error(): FstreamError | undefined {
    return this.#error;
  }

  /** How many bytes the server has confirmed, once it has. */
  get bytes(): number | undefined {
    return this.#bytes;
  }

  /** Whether nothing more will come. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether nothing is worth sending any more: the server refused, confirmed the end, or has hung up. */
  get over(): boolean {
    return this.#ended || this.#error !== undefined || this.#bytes !== undefined;
  }

  async #listen(connection: ServerConnection): Promise<void> {
    try {
      await this.#decode(connection);
    } catch (error) {
      if (!(error instanceof FstreamError)) throw error;
      this.#error ??= error;
    }
    this.#ended = true;
    this.#change();
  }

  async #decode(connection: ServerConnection): Promise<void> {
    const decoder = new FirstReply(connection.place, "broadcast");
    const slice = new TimeSlice();
    // Behind a reply, bytes that are none mean nothing; before it they come from no server of fstream's.
    for (let bytes = await connection.read(); bytes !== undefined; bytes = await connection.read()) {
      let result = decoder.feed(bytes);
      while (result.type === "reply") {
        const { reply, rest } = result;
        if (reply.type === "error") this.#error ??= reply.error;
        else this.#heard(reply.fields, connection);
        this.#change();
        await slice.yield();
        result = decoder.feed(rest);
      }
    }
    decoder.end();
  }

  #heard(fields: ReadonlyMap<string, string>, { finished, place }: ServerConnection): void {
    this.#accepted = true;
    this.#url ??= shownUrl(fields.get("url") ?? "");
    const bytes = fields.get("bytes");
    if (bytes === undefined || !/^\d{1,16}$/.test(bytes)) return;
    // It can't know yet what the whole is: to believe it would be to leave the rest unread.
    if (!finished)
      throw new FstreamError("failed", `${place} confirmed the end of a stream that is still running`);
    this.#bytes = Number(bytes);
  }
}
