// One connection of a broadcast: the request and the media, sent without waiting for an answer, then the FIN, and the server's
// confirmation that it took every byte.
//
//   request, first bytes -> input ... -> FIN -> `ok,bytes=N`

import { FstreamError } from "../errors.ts";
import type { Lost } from "./broadcastretry.ts";
import type { BroadcastSource } from "./broadcastsource.ts";
import type { ClientClock } from "./clock.ts";
import type { ServerConnection } from "./connection.ts";
import { withHint } from "./hints.ts";
import type { Meter } from "./meter.ts";
import { Replies } from "./replies.ts";
import type { Signal } from "./signal.ts";
import { TimeSlice } from "./timeslice.ts";

/**
 * A client that is refused without a reply (an original server's way) sees the server close by then. The FIN of a short
 * broadcast waits so long for a first reply, or that close would pass for the answer to it. Milliseconds.
 */
const silentMs = 500;
/** What is still in the kernel when the input ends may take a slow line so long, and then comes the answer. Milliseconds. */
const confirmMs = 60_000;
/** The same where no more attempts are made for long. */
const lastConfirmMs = 10_000;
/** A server closes once the confirmation was acknowledged, and ends the broadcast then. Milliseconds. */
const closeMs = 500;
/** A pause that people notice, milliseconds. */
const noticeMs = 10_000;
/** How long to wait for a join point before the stream goes on anywhere, milliseconds. */
const joinTimeoutMs = 15_000;
/** What a server has not accepted yet is kept, to be sent again with another token, up to so many bytes. */
const unacceptedBytes = 16 * 1024 * 1024;

export interface SendingOptions {
  readonly source: BroadcastSource;
  /** Notified of changes of the input and of the replies. */
  readonly signal: Signal;
  readonly clock: ClientClock;
  readonly meter: Meter | undefined;
  readonly usesFetchedToken: boolean;
  /** Whether the input is over already. */
  readonly isLast: boolean;
  /** Gets the address of the channel's page, with each reply after the server has said it. */
  readonly page?: (url: string) => void;
  /** How long the server may take to confirm the end, milliseconds. */
  readonly confirmMs?: number;
  /** How long it may take after that to close, milliseconds. */
  readonly closeMs?: number;
  /** Called if the server has said nothing for long, as one of the original protocol does. */
  readonly unanswered?: (place: string) => void;
  /** How long that is, milliseconds. */
  readonly noticeMs?: number;
}

/** How a broadcast ended that did. */
export interface Delivery {
  /** Bytes of the stream that went out on the last connection. */
  readonly sent: number;
  /** Whether the server said that it has them all; one of the original protocol never does. */
  readonly confirmed: boolean;
  /** Bytes of the input that were sent on no connection, because there was none when they came. */
  readonly dropped: number;
}

export class Sending implements Lost {
  readonly #connection: ServerConnection;
  readonly #request: Uint8Array;
  readonly #options: SendingOptions;
  readonly #replies: Replies;
  readonly #slice = new TimeSlice();
  readonly #sinceMs: number;
  #sent = 0;
  /** What was sent before it was accepted; undefined once it was, or if it is too much. */
  #unaccepted: Uint8Array[] | undefined;
  #unacceptedSize = 0;

  constructor(connection: ServerConnection, request: Uint8Array, options: SendingOptions) {
    this.#connection = connection;
    this.#request = request;
    this.#options = options;
    this.#replies = new Replies(connection, () => {
      const { url } = this.#replies;
      if (url !== undefined) options.page?.(url);
      options.signal.notify();
    });
    this.#sinceMs = options.clock.nowMs();
    this.#unaccepted = options.usesFetchedToken ? [] : undefined;
  }

  get accepted(): boolean {
    return this.#replies.accepted;
  }

  get workedMs(): number {
    return this.#options.clock.nowMs() - this.#sinceMs;
  }

  get usesFetchedToken(): boolean {
    return this.#options.usesFetchedToken;
  }

  get unaccepted(): readonly Uint8Array[] | undefined {
    return this.#unaccepted;
  }

  close(): void {
    this.#connection.close();
  }

  /**
   * Sends `beginning` and then the input, or what Rejoin says if that is undefined. Resolves when the server has ended in order
   * after our end; rejects if it has not.
   */
  async run(beginning: readonly Uint8Array[] | undefined): Promise<Delivery> {
    const notice = setTimeout(() => {
      if (!this.#replies.accepted && !this.#replies.over) this.#options.unanswered?.(this.#connection.place);
    }, this.#options.noticeMs ?? noticeMs);
    try {
      return await this.#run(beginning);
    } finally {
      clearTimeout(notice);
    }
  }

  async #run(beginning: readonly Uint8Array[] | undefined): Promise<Delivery> {
    const { source } = this.#options;
    try {
      await this.#send(beginning);
    } catch (error) {
      // The reason for a broken connection may have arrived before: the replies know, once they are read.
      if (!(error instanceof FstreamError) || this.#connection.ending === undefined) throw error;
    }
    if (source.failure !== undefined) throw source.failure;
    await this.#firstReply();
    const orderly = !this.#replies.over;
    if (orderly) this.#connection.shutdown();
    await this.#end();
    const confirmed = this.#conclude(orderly);
    if (confirmed) await this.#closed();
    return { sent: this.#sent, confirmed, dropped: source.droppedBytes };
  }

  /** Returns when the input is over, or when the server has refused, confirmed or closed. */
  async #send(beginning: readonly Uint8Array[] | undefined): Promise<void> {
    const { source, signal } = this.#options;
    // The request and the first media leave together, where there are any yet.
    const first = beginning === undefined ? undefined : (beginning.at(0) ?? source.take());
    if (first !== undefined) this.#keep(first);
    await this.#connection.write(first === undefined ? this.#request : Buffer.concat([this.#request, first]));
    if (first !== undefined) this.#count(first);
    for (const bytes of beginning?.slice(1) ?? (await this.#restart())) await this.#pass(bytes);

    while (!this.#replies.over) {
      const bytes = source.take();
      if (bytes !== undefined) {
        for (const piece of source.sendable(bytes)) await this.#pass(piece);
      } else if (source.ended) {
        for (const piece of source.rest()) await this.#pass(piece);
        return;
      } else await signal.next();
    }
  }

  /** Waits for a place to go on at; what comes before it is dropped. */
  async #restart(): Promise<readonly Uint8Array[]> {
    const { source, clock, signal } = this.#options;
    const untilMs = clock.nowMs() + joinTimeoutMs;
    for (;;) {
      const pieces = source.restart(clock.nowMs() >= untilMs);
      if (pieces !== undefined) return pieces;
      if (this.#replies.over) return [];
      if (source.take() !== undefined) await this.#slice.yield();
      else if (source.ended) return [];
      else await signal.next();
    }
  }

  async #pass(bytes: Uint8Array): Promise<void> {
    this.#keep(bytes);
    await this.#connection.write(bytes);
    this.#count(bytes);
    await this.#slice.yield();
  }

  #keep(bytes: Uint8Array): void {
    if (this.#unaccepted === undefined) return;
    this.#unacceptedSize += bytes.length;
    if (this.#replies.accepted || this.#unacceptedSize > unacceptedBytes) this.#unaccepted = undefined;
    else this.#unaccepted.push(bytes);
  }

  #count(bytes: Uint8Array): void {
    this.#sent += bytes.length;
    this.#options.meter?.add(bytes.length);
  }

  /** Returns when the server has replied, has closed, or had the time for it since the beginning. */
  async #firstReply(): Promise<void> {
    const { clock, signal } = this.#options;
    const replies = this.#replies;
    const leftMs = silentMs - this.workedMs;
    if (leftMs <= 0 || replies.over || replies.accepted) return;
    const state = { due: false };
    void clock.sleep(leftMs).then(() => {
      state.due = true;
      signal.notify();
    });
    while (!state.due && !replies.over && !replies.accepted) await signal.next();
  }

  /** Returns when the server has confirmed the end, has refused or closed, or had the time for it. */
  async #end(): Promise<void> {
    const { signal, isLast } = this.#options;
    const longestMs = this.#options.confirmMs ?? confirmMs;
    const limitMs = isLast ? Math.min(longestMs, lastConfirmMs) : longestMs;
    const timer = setTimeout(() => {
      this.#connection.close(`the server did not confirm the end of the stream within ${limitMs / 1000} s`);
    }, limitMs);
    while (!this.#replies.over) await signal.next();
    clearTimeout(timer);
  }

  /** Returns when the server has closed, or had the time for it: what comes to the channel next finds the broadcast over. */
  async #closed(): Promise<void> {
    const { signal } = this.#options;
    const state = { due: false };
    const timer = setTimeout(() => {
      state.due = true;
      signal.notify();
    }, this.#options.closeMs ?? closeMs);
    while (!state.due && !this.#replies.ended) await signal.next();
    clearTimeout(timer);
  }

  /**
   * Whether the server has confirmed everything, if nothing speaks against that it took everything. `orderly`: our FIN came
   * before its end.
   */
  #conclude(orderly: boolean): boolean {
    const { error, bytes, accepted } = this.#replies;
    const { ending, secure, place } = this.#connection;
    if (error !== undefined) {
      // What was sent along with a request that was refused was no broadcast.
      if (!accepted) this.#options.meter?.discard(this.#sent);
      throw withHint(error, "broadcast", place, this.#options.usesFetchedToken);
    }
    if (bytes === this.#sent) return true;
    if (bytes !== undefined)
      throw new FstreamError("disconnected", `the server received only ${bytes} of ${this.#sent} bytes`);
    if (!orderly || ending?.type !== "fin") throw this.#connection.lost();
    // A server of the original protocol never replies; that it closes after our FIN is all there is.
    if (!accepted && !secure) return false;
    throw new FstreamError("disconnected", `${place} did not confirm receiving the ${this.#sent} bytes`);
  }
}
