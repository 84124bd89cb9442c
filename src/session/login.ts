// While a login is looked up. The socket is not read meanwhile: nothing is kept of what comes, but for the little that was on
// its way to `data` already, and nothing is lost.

import { asFstreamError, FstreamError } from "../errors.ts";
import type { Connection, ConnectionStage } from "./connection.ts";
import { HeldBytes, maxHeldBytes } from "./heldbytes.ts";

export interface LoginOutcome<T> {
  /** It may go on; `early`: what came meanwhile. What this throws is a refusal too. */
  granted(result: T, early: Uint8Array): void;
  refused(error: FstreamError): void;
  /**
   * The socket may be read again: just before one of the others, which may pause it. Only now, as a paused one reports nothing,
   * so that no stage has missed anything.
   */
  over(): void;
}

export class LoginStage<T> implements ConnectionStage {
  readonly #connection: Connection;
  readonly #outcome: LoginOutcome<T>;
  readonly #early = new HeldBytes();
  #over = false;

  constructor(connection: Connection, outcome: LoginOutcome<T>) {
    this.#connection = connection;
    this.#outcome = outcome;
  }

  /** To be called once, as soon as this is the connection's stage. */
  begin(pending: Promise<T>): void {
    this.#connection.pause();
    pending.then(
      (result) => this.#end(() => this.#outcome.granted(result, this.#early.first())),
      (error: unknown) => this.#end(() => this.#outcome.refused(asFstreamError(error))),
    );
  }

  data(bytes: Uint8Array): void {
    if (this.#early.add(bytes)) return;
    const reason = `more than ${maxHeldBytes} bytes before the login was complete`;
    this.#end(() => this.#outcome.refused(new FstreamError("bad_request", reason)));
  }

  drained(): void {}

  ended(): void {}

  closed(): void {
    this.#over = true;
  }

  stop(): void {
    this.#end(() => this.#outcome.refused(new FstreamError("shutting_down", "the server is shutting down")));
  }

  #end(act: () => void): void {
    if (this.#over) return;
    this.#outcome.over();
    // It may have gone meanwhile.
    if (this.#over) return;
    try {
      act();
    } catch (error) {
      this.#outcome.refused(asFstreamError(error));
    }
  }
}
