// A player that probes: before it plays it asks for the first few bytes of the stream alone, as a range (RFC 9110, section 14).
// Safari asks for `bytes=0-1`, and plays nothing that does not answer 206. It watches like any other until it has those bytes.

import type { HttpHead } from "../protocol/httphead.ts";
import type { HttpWatch } from "../protocol/httpwatch.ts";
import type { Connection } from "./connection.ts";
import { HttpWatchAnswers } from "./httpwatch.ts";
import type { Services } from "./services.ts";
import { type StageOwner, type Watched, WatcherSession } from "./watcher.ts";

export class ProbeAnswers extends HttpWatchAnswers {
  readonly #bytes: number;
  /** How much is still to be written, the head included; 0 before that is made. */
  unsentBytes = 0;

  constructor(head: HttpHead, wanted: HttpWatch, watchersLogIn: boolean, bytes: number) {
    super(head, wanted, watchersLogIn);
    this.#bytes = bytes;
  }

  override greeting(info: { readonly mediaType: string }): Uint8Array {
    const head = this.head(206, info, {
      "Content-Range": `bytes 0-${this.#bytes - 1}/*`,
      "Content-Length": String(this.#bytes),
    });
    this.unsentBytes = head.length + this.#bytes;
    return head;
  }
}

export class ProbeSession extends WatcherSession {
  readonly #probe: ProbeAnswers;
  #sentBytes = 0;

  constructor(
    connection: Connection,
    services: Services,
    watched: Watched,
    answers: ProbeAnswers,
    stages: StageOwner,
  ) {
    super(connection, services, watched, answers, stages);
    this.#probe = answers;
  }

  /** It does not get all that is sent: each write is looked at. */
  override get descriptor(): undefined {
    return undefined;
  }

  override write(bytes: Uint8Array, offset: number, length: number): number {
    const probe = this.#probe;
    // It is over, and the relay does not know it yet.
    if (probe.unsentBytes === 0) return 0;
    const taken = super.write(bytes, offset, Math.min(length, probe.unsentBytes));
    if (taken <= 0) return taken;
    probe.unsentBytes -= taken;
    this.#sentBytes += taken;
    if (probe.unsentBytes === 0) this.finish({ type: "orderly" }, this.#sentBytes);
    return taken;
  }
}
