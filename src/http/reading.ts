// The stages that read a request: its head, and for those that are answered at once its body, which is short. Each has to be
// whole within `handshake_timeout`.

import { HeadReader, type HttpHead, refused, type Unreadable } from "../protocol/httphead.ts";
import type { Clock, Timer } from "../relay/clock.ts";
import type { Connection, ConnectionStage } from "../session/connection.ts";
import { encodeContinue } from "../session/httpresponse.ts";

/** The request line and the header fields, with the empty line behind them, bytes. */
export const maxHeadBytes = 8 * 1024;
/** A form with a login, bytes. */
export const maxBodyBytes = 8 * 1024;

interface ReadingServices {
  readonly clock: Pick<Clock, "after">;
  readonly options: { readonly handshakeTimeoutMs: number };
}

interface ReadingOutcome {
  unreadable(reason: Unreadable): void;
}

/** What both stages do: they end with their time, with the peer, and with the server. */
abstract class ReadingStage implements ConnectionStage {
  protected readonly connection: Connection;
  protected readonly deadline: Timer;

  constructor(connection: Connection, { clock, options }: ReadingServices) {
    this.connection = connection;
    this.deadline = clock.after(options.handshakeTimeoutMs, () => connection.reset());
  }

  abstract data(bytes: Uint8Array): void;

  drained(): void {}

  ended(): void {
    this.deadline.cancel();
    this.connection.close();
  }

  closed(): void {
    this.deadline.cancel();
  }

  /** Without a request no answer is due, and over TLS an orderly close would wait for the peer. */
  stop(): void {
    this.connection.reset();
  }
}

export class HeadStage extends ReadingStage {
  readonly #reader = new HeadReader(maxHeadBytes);
  readonly #outcome: ReadingOutcome & { head(head: HttpHead, rest: Uint8Array): void };

  constructor(
    connection: Connection,
    services: ReadingServices,
    outcome: ReadingOutcome & { head(head: HttpHead, rest: Uint8Array): void },
  ) {
    super(connection, services);
    this.#outcome = outcome;
  }

  data(bytes: Uint8Array): void {
    const reading = this.#reader.feed(bytes);
    if (reading.type === "more") return;
    this.deadline.cancel();
    if (reading.type === "head") this.#outcome.head(reading.head, reading.rest);
    else this.#outcome.unreadable(reading);
  }
}

/** Reads a short body whose length the head gives (RFC 9112, section 6). What comes behind it is dropped. */
export class BodyStage extends ReadingStage {
  readonly #outcome: ReadingOutcome & { whole(body: Uint8Array<ArrayBuffer>): void };
  #body = new Uint8Array(0);
  #filled = 0;
  #over = false;

  constructor(
    connection: Connection,
    services: ReadingServices,
    outcome: ReadingOutcome & { whole(body: Uint8Array<ArrayBuffer>): void },
  ) {
    super(connection, services);
    this.#outcome = outcome;
  }

  /** To be called once, as soon as this is the connection's stage. `rest`: what came with the head. */
  begin(head: HttpHead, rest: Uint8Array): void {
    const length = bodyLength(head);
    if (typeof length === "object") {
      this.deadline.cancel();
      return this.#outcome.unreadable(length);
    }
    this.#body = new Uint8Array(length);
    // The client waits for that before it sends the body (RFC 9110, section 10.1.1). A fresh socket takes so little.
    const waits = head.headers.get("expect")?.toLowerCase() === "100-continue";
    if (waits && rest.length === 0 && length > 0)
      this.connection.write(encodeContinue, 0, encodeContinue.length);
    this.data(rest);
  }

  data(bytes: Uint8Array): void {
    if (this.#over) return;
    const taken = bytes.subarray(0, this.#body.length - this.#filled);
    this.#body.set(taken, this.#filled);
    this.#filled += taken.length;
    if (this.#filled < this.#body.length) return;
    this.#over = true;
    this.deadline.cancel();
    this.#outcome.whole(this.#body);
  }
}

function bodyLength({ headers }: HttpHead): number | Unreadable {
  if (headers.has("transfer-encoding"))
    return refused(411, "this request needs a Content-Length and no Transfer-Encoding");
  const length = headers.get("content-length") ?? "0";
  if (!/^\d{1,15}$/.test(length)) return refused(400, "the Content-Length is not a number");
  if (Number(length) > maxBodyBytes) return refused(413, "the body is too large");
  return Number(length);
}
