// Broadcasting: sends the input to a channel and makes sure that the server took every byte. Each connection is a Sending
// (sending.ts); whether there is another one after it is broadcastretry.ts's to decide. Meanwhile the input is read on and
// dropped, so that the encoder does not stall, and Rejoin says where to go on.
//
//   connect -> Sending -> done
//      ^          | refused for good ----------> its error
//      '- pause <-' lost, or refused for now
//
// The one loop runs on a signal that the input, the replies and the dialling notify.

import { FstreamError } from "../errors.ts";
import { BroadcastRetry } from "./broadcastretry.ts";
import { BroadcastSource } from "./broadcastsource.ts";
import type { ClientClock } from "./clock.ts";
import type { ServerConnection } from "./connection.ts";
import type { Input } from "./input.ts";
import type { Meter } from "./meter.ts";
import type { Rejoin } from "./rejoin.ts";
import { type Delivery, Sending } from "./sending.ts";
import { Signal } from "./signal.ts";

export interface BroadcastOptions {
  readonly dial: () => Promise<ServerConnection>;
  /** The bytes of the request; `token` is what `fetchToken` gave. */
  readonly request: (token: string | undefined) => Uint8Array;
  /** Gets a one-time token for a connection; undefined if the request has all it needs. */
  readonly fetchToken: (() => Promise<string>) | undefined;
  /** How long to tolerate that the server takes nothing, milliseconds; 0: not at all. */
  readonly retryMs: number;
  /** How long the server may take to confirm the end, milliseconds. */
  readonly confirmMs?: number;
  /** How long it may take after that to close, milliseconds. */
  readonly closeMs?: number;
  /** How long it may say nothing before that is reported, milliseconds. */
  readonly noticeMs?: number;
  readonly rejoin: Rejoin;
  readonly input: Input;
  readonly clock: ClientClock;
  readonly meter: Meter | undefined;
  readonly say: (text: string) => void;
  /** Sees all of the input, as it is read. */
  readonly look?: (bytes: Uint8Array) => void;
  /** Gets the address of the channel's page, as often as the server says it. */
  readonly page?: (url: string) => void;
}

export class BroadcastClient {
  readonly #options: BroadcastOptions;
  readonly #signal = new Signal();
  readonly #source: BroadcastSource;
  readonly #retry: BroadcastRetry;
  #sending: Sending | undefined;
  #noticed = false;
  /** What the next connection begins with; undefined: where Rejoin says. */
  #beginning: readonly Uint8Array[] | undefined = [];

  constructor(options: BroadcastOptions) {
    const { input, rejoin, retryMs, clock } = options;
    this.#options = options;
    this.#source = new BroadcastSource(input, retryMs > 0 ? rejoin : undefined, this.#signal, options.look);
    this.#retry = new BroadcastRetry(retryMs, clock);
  }

  /** Whether there is a connection. */
  get connected(): boolean {
    return this.#sending !== undefined;
  }

  /** Makes no further attempt once this connection is over. */
  stop(): void {
    this.#retry.stop();
  }

  /** Resolves when the server took everything (of the last connection); rejects with what stood in the way. */
  async run(): Promise<Delivery> {
    const { input } = this.#options;
    input.start(() => this.#signal.notify());
    try {
      for (;;) {
        const outcome = await this.#attempt();
        if (!(outcome instanceof FstreamError)) return outcome;
        const lost = this.#sending;
        lost?.close();
        this.#sending = undefined;
        await this.#recover(outcome, lost);
      }
    } finally {
      input.finish();
    }
  }

  async #attempt(): Promise<Delivery | FstreamError> {
    this.#retry.begin();
    try {
      // Where it is known what to send next, as at the very first, the input waits and nothing is lost.
      const connecting = this.#connect();
      this.#sending = await (this.#beginning === undefined ? this.#source.dropWhile(connecting) : connecting);
      this.#options.meter?.state("");
      return await this.#sending.run(this.#beginning);
    } catch (error) {
      if (error instanceof FstreamError) return error;
      throw error;
    }
  }

  async #connect(): Promise<Sending> {
    const { dial, fetchToken, request, say } = this.#options;
    const token = await fetchToken?.();
    const connection = await dial();
    return new Sending(connection, request(token), {
      ...this.#options,
      source: this.#source,
      signal: this.#signal,
      usesFetchedToken: fetchToken !== undefined,
      isLast: this.#retry.isLast,
      unanswered: (place) => {
        if (!this.#noticed)
          say(
            `connected to ${place}, which has not answered yet (servers of the original protocol never do)`,
          );
        this.#noticed = true;
      },
    });
  }

  /** Returns when another attempt is due; throws `trouble` if there is to be none. */
  async #recover(trouble: FstreamError, lost: Sending | undefined): Promise<void> {
    const { meter, say } = this.#options;
    const decision = this.#retry.decide(trouble, lost, this.#source);
    switch (decision) {
      case "give up":
        throw trouble;
      case "send again":
        // One that has lost its place, and did not find another, still has none.
        if (this.#beginning !== undefined || lost?.unaccepted?.length !== 0)
          this.#beginning = lost?.unaccepted;
        await this.#retry.pauseForToken();
        return;
      case "rejoin":
        this.#beginning = undefined;
        if (this.#retry.isNew(trouble)) say(`${trouble.message}; trying again`);
        meter?.state("reconnecting");
        await this.#source.dropWhile(this.#retry.pause());
        return;
      default:
        decision satisfies never;
    }
  }
}
