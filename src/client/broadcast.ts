// Broadcasting: sends the input to a channel and makes sure that the server took every byte. Media are sent
// without waiting for an answer. With `retryMs`, a lost connection is dialled again; meanwhile the input is
// read on and dropped, so that the encoder does not stall, and Rejoin says where to go on.
//
//   connect -> request, first bytes -> input ... -> FIN -> `ok,bytes=N` -> done
//      ^                                 |  refused for good ----------> its error
//      '--- pause (input is dropped) <---'  lost, or refused for now
//
// The one loop runs on a signal that the input, the replies and the dialling ring.

import { FstreamError } from "../errors.ts";
import { Backoff, mayPass, successMs } from "./backoff.ts";
import type { ClientClock } from "./clock.ts";
import type { ServerConnection } from "./connection.ts";
import { withHint } from "./hints.ts";
import type { Input } from "./input.ts";
import type { Meter } from "./meter.ts";
import type { Rejoin } from "./rejoin.ts";
import { Replies } from "./replies.ts";
import { Signal } from "./signal.ts";
import { TimeSlice } from "./timeslice.ts";

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
  readonly rejoin: Rejoin;
  readonly input: Input;
  readonly clock: ClientClock;
  readonly meter: Meter | undefined;
  readonly say: (text: string) => void;
}

/**
 * Who is turned away without a word (an original server's way) sees the server close by then. The FIN of a short
 * broadcast waits so long for a first word, or that close would pass for the answer to it. Milliseconds.
 */
const silentMs = 500;
/** What is still in the kernel when the input ends may take a slow line so long, and then comes the answer. Milliseconds. */
const confirmMs = 60_000;
/** How long to go on trying once the input is over. */
const lastChanceMs = 10_000;
/** How long a stream may keep us waiting for a join point, before it goes on anywhere. */
const joinTimeoutMs = 15_000;
/** How many fetched tokens in a row may be refused, because another encoder of the user took a newer one. */
const tokenTries = 5;
/** What a server has not accepted yet is kept, to be sent again with another token, up to so many bytes. */
const unacceptedBytes = 16 * 1024 * 1024;

/** How a broadcast ended that did. */
export interface Delivery {
  /** Bytes of the stream that went out on the last connection. */
  readonly sent: number;
  /** Whether the server said that it has them all; one of the original protocol never does. */
  readonly confirmed: boolean;
}

interface Link {
  readonly connection: ServerConnection;
  readonly replies: Replies;
  readonly token: string | undefined;
  readonly sinceMs: number;
  sent: number;
}

export class BroadcastClient {
  readonly #options: BroadcastOptions;
  readonly #signal = new Signal();
  readonly #slice = new TimeSlice();
  readonly #tokenBackoff: Backoff;
  #backoff: Backoff;
  #link: Link | undefined;
  #refusedTokens = 0;
  #lastChance = false;
  /** What was last said about trouble. */
  #told = "";
  #stopped = false;
  /** What the next connection begins with; undefined: where Rejoin says. */
  #resend: readonly Uint8Array[] | undefined = [];
  /** What was sent on this connection before it was accepted; undefined once it was, or if it is too much. */
  #unaccepted: Uint8Array[] | undefined;
  #unacceptedSize = 0;

  constructor(options: BroadcastOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.retryMs, options.clock);
    this.#tokenBackoff = new Backoff(Number.POSITIVE_INFINITY, options.clock);
  }

  /** Whether there is a connection. */
  get connected(): boolean {
    return this.#link !== undefined;
  }

  /** Makes no further attempt once this connection is over. */
  stop(): void {
    this.#stopped = true;
  }

  /** Resolves when the server took everything (of the last connection); rejects with what stood in the way. */
  async run(): Promise<Delivery> {
    const { input } = this.#options;
    input.start(() => this.#signal.notify());
    try {
      return await this.#attempts();
    } finally {
      input.finish();
    }
  }

  async #attempts(): Promise<Delivery> {
    for (;;) {
      try {
        // Where it is known what to send next, as at the very first, the input waits and nothing is lost.
        const link = await this.#meanwhile(this.#resend === undefined, () => this.#connect());
        this.#link = link;
        this.#options.meter?.state("");
        return await this.#stream(link);
      } catch (error) {
        if (!(error instanceof FstreamError)) throw error;
        const link = this.#link;
        link?.connection.close();
        this.#link = undefined;
        await this.#recover(error, link);
      }
    }
  }

  async #connect(): Promise<Link> {
    const { dial, fetchToken, clock } = this.#options;
    const token = await fetchToken?.();
    const connection = await dial();
    const replies = new Replies(connection, () => this.#signal.notify());
    return { connection, replies, token, sinceMs: clock.nowMs(), sent: 0 };
  }

  /** Resolves when the server has ended in order after our end; rejects if it has not. */
  async #stream(link: Link): Promise<Delivery> {
    try {
      await this.#send(link);
    } catch (error) {
      // What broke the connection may have been told before: the replies know, once they are read.
      if (!(error instanceof FstreamError) || link.connection.ending === undefined) throw error;
    }
    const { failure } = this.#options.input;
    if (failure !== undefined) throw failure;
    await this.#answered(link);
    const orderly = !link.replies.over;
    if (orderly) link.connection.shutdown();
    const limitMs = this.#confirmMs();
    const timer = setTimeout(() => {
      link.connection.close(`the server did not confirm the end within ${limitMs / 1000} s`);
    }, limitMs);
    while (!link.replies.over) await this.#signal.next();
    clearTimeout(timer);
    return { sent: link.sent, confirmed: conclude(link, orderly) };
  }

  #confirmMs(): number {
    const longestMs = this.#options.confirmMs ?? confirmMs;
    return this.#lastChance ? Math.min(longestMs, lastChanceMs) : longestMs;
  }

  /** Returns when the server has said something, has closed, or had the time for it since the beginning. */
  async #answered({ replies, sinceMs }: Link): Promise<void> {
    const { clock } = this.#options;
    const leftMs = sinceMs + silentMs - clock.nowMs();
    if (leftMs <= 0 || replies.over || replies.accepted) return;
    const state = { due: false };
    void clock.sleep(leftMs).then(() => {
      state.due = true;
      this.#signal.notify();
    });
    while (!state.due && !replies.over && !replies.accepted) await this.#signal.next();
  }

  /** Returns when the input is over or the server's mind is made up. */
  async #send(link: Link): Promise<void> {
    const { input, request, rejoin } = this.#options;
    const resend = this.#resend;
    this.#unaccepted = this.#options.fetchToken === undefined ? undefined : [];
    this.#unacceptedSize = 0;
    // The request and the first media leave together, where there are any yet.
    const first = resend === undefined ? undefined : (resend.at(0) ?? this.#next());
    const opening = request(link.token);
    if (first !== undefined) this.#keep(link, first);
    await link.connection.write(first === undefined ? opening : Buffer.concat([opening, first]));
    if (first !== undefined) this.#count(link, first);
    for (const bytes of resend?.slice(1) ?? (await this.#restart(link))) await this.#pass(link, bytes);

    while (!link.replies.over) {
      const bytes = this.#next();
      const isOver = bytes === undefined && input.ended;
      const pieces = isOver ? rejoin.rest() : this.#sendable(bytes);
      for (const piece of pieces) await this.#pass(link, piece);
      if (isOver) return;
      if (bytes === undefined) await this.#signal.next();
    }
  }

  /** What to send now that `bytes` have come of the input. */
  #sendable(bytes: Uint8Array | undefined): readonly Uint8Array[] {
    if (bytes === undefined) return [];
    return this.#options.retryMs > 0 ? this.#options.rejoin.sendable(bytes) : [bytes];
  }

  /** Waits for a place to go on at; what comes before it is dropped. */
  async #restart(link: Link): Promise<readonly Uint8Array[]> {
    const { input, rejoin, clock } = this.#options;
    const untilMs = clock.nowMs() + joinTimeoutMs;
    for (;;) {
      const pieces = rejoin.start(clock.nowMs() >= untilMs);
      if (pieces !== undefined) return pieces;
      if (link.replies.over) return [];
      if (this.#next() !== undefined) {
        await this.#slice.yield();
        continue;
      }
      if (input.ended) return [];
      await this.#signal.next();
    }
  }

  async #pass(link: Link, bytes: Uint8Array): Promise<void> {
    this.#keep(link, bytes);
    await link.connection.write(bytes);
    this.#count(link, bytes);
    await this.#slice.yield();
  }

  #keep(link: Link, bytes: Uint8Array): void {
    if (this.#unaccepted === undefined) return;
    this.#unacceptedSize += bytes.length;
    if (link.replies.accepted || this.#unacceptedSize > unacceptedBytes) this.#unaccepted = undefined;
    else this.#unaccepted.push(bytes);
  }

  #count(link: Link, bytes: Uint8Array): void {
    link.sent += bytes.length;
    this.#options.meter?.add(bytes.length);
  }

  /** The next bytes of the input, if there are any; Rejoin sees them all, sent or dropped. */
  #next(): Uint8Array | undefined {
    const bytes = this.#options.input.take();
    if (bytes !== undefined && this.#options.retryMs > 0) this.#options.rejoin.feed(bytes);
    return bytes;
  }

  /** Runs `task`; while it runs the input is read and dropped, if `drop`. */
  async #meanwhile<T>(drop: boolean, task: () => Promise<T>): Promise<T> {
    if (!drop) return await task();
    const state = { done: false };
    const result = task().finally(() => {
      state.done = true;
      this.#signal.notify();
    });
    // It may fail while others have their turn; that is dealt with below.
    result.catch(() => undefined);
    while (!state.done) {
      if (this.#next() === undefined) await this.#signal.next();
      else await this.#slice.yield();
    }
    return await result;
  }

  /** Returns when another attempt is due; throws `trouble` if there is to be none. `link` is what was lost. */
  async #recover(trouble: FstreamError, link: Link | undefined): Promise<void> {
    const { clock, meter, say, fetchToken, retryMs, input, rejoin } = this.#options;
    const workedMs = link === undefined ? 0 : clock.nowMs() - link.sinceMs;
    // A server that never answers, as the original does not, is judged by the time alone. Once the input is over
    // nothing but a confirmation is a success.
    const accepted = link?.replies.accepted === true || workedMs >= successMs;
    if (accepted && !this.#lastChance) {
      this.#backoff.worked(workedMs);
      this.#tokenBackoff.worked(workedMs);
      if (workedMs >= successMs) this.#refusedTokens = 0;
      if (workedMs >= successMs) this.#told = "";
    }
    // A token that was accepted is not what is refused later.
    const tokenSpent =
      fetchToken !== undefined && link !== undefined && !accepted && trouble.code === "unauthorized";
    if (
      tokenSpent &&
      !this.#stopped &&
      this.#unaccepted !== undefined &&
      ++this.#refusedTokens < tokenTries
    ) {
      // One that has lost its place, and waited in vain for another, still has none.
      if (this.#resend !== undefined || this.#unaccepted.length > 0) this.#resend = this.#unaccepted;
      await this.#tokenBackoff.pause();
      return;
    }
    this.#resend = undefined;
    if (this.#stopped || retryMs === 0 || !mayPass(trouble)) throw trouble;
    if (input.ended && !this.#lastChance) {
      if ((rejoin.start(false) ?? []).length === 0) throw trouble;
      this.#lastChance = true;
      this.#backoff = new Backoff(Math.min(retryMs, lastChanceMs), clock);
    }
    if (trouble.message !== this.#told) say(`${trouble.message}; trying again`);
    this.#told = trouble.message;
    meter?.state("reconnecting");
    if (!(await this.#meanwhile(true, () => this.#backoff.pause()))) throw trouble;
  }
}

/**
 * Whether the server has confirmed everything, if nothing speaks against that it took everything. `orderly`
 * says whether our FIN came before its end.
 */
function conclude({ connection, replies, sent }: Link, orderly: boolean): boolean {
  if (replies.error !== undefined) throw withHint(replies.error, "broadcast");
  if (replies.bytes === sent) return true;
  if (replies.bytes !== undefined) {
    throw new FstreamError("disconnected", `the server took ${replies.bytes} of ${sent} bytes`);
  }
  if (!orderly || connection.ending?.type !== "fin") throw connection.lost();
  // A server of the original protocol never says a word; that it closes after our FIN is all there is.
  if (!replies.accepted && !connection.secure) return false;
  throw new FstreamError("disconnected", `${connection.place} did not confirm the ${sent} bytes`);
}
