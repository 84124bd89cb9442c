// While a login is looked up. The socket is not read meanwhile: nothing is kept of what comes, but for the little that was on
// its way to `data` already, and nothing is lost.

import { asFstreamError, FstreamError } from "../errors.ts";
import type { Connection, ConnectionStage } from "./connection.ts";

export interface LoginOutcome<T> {
  /** It may go on; `early`: what came meanwhile. What this throws is a refusal too. */
  granted(result: T, early: readonly Uint8Array[]): void;
  refused(error: FstreamError): void;
  /** The socket may be read again: only now, as a paused one reports nothing, so that no stage has missed anything. */
  over(): void;
}

export class LoginStage<T> implements ConnectionStage {
  readonly #connection: Connection;
  readonly #outcome: LoginOutcome<T>;
  readonly #early: Uint8Array[] = [];
  #over = false;

  constructor(connection: Connection, outcome: LoginOutcome<T>) {
    this.#connection = connection;
    this.#outcome = outcome;
  }

  /** To be called once, as soon as this is the connection's stage. */
  begin(pending: Promise<T>): void {
    this.#connection.pause();
    pending.then(
      (result) => this.#end(() => this.#outcome.granted(result, this.#early)),
      (error: unknown) => this.#end(() => this.#outcome.refused(asFstreamError(error))),
    );
  }

  data(bytes: Uint8Array): void {
    this.#early.push(bytes.slice());
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
    try {
      act();
    } catch (error) {
      this.#outcome.refused(asFstreamError(error));
    }
    this.#outcome.over();
  }
}
