// Watching: asks for a channel and passes its bytes on to the output, until the stream ends. What the first
// bytes are decides which kind of server it is: a reply frame, or the stream itself (the original protocol).
//
// One attempt ends in order (a FIN after a stream) or with an error. `wait` tolerates errors that may pass until
// the first byte has come, `retry` every end at all times, each for so long as nothing comes of it.

import { FstreamError } from "../errors.ts";
import { advised } from "./advice.ts";
import type { Connection } from "./connection.ts";
import type { Meter } from "./meter.ts";
import { Opening } from "./opening.ts";
import type { Output } from "./output.ts";
import { type Clock, mayPass, Patience } from "./patience.ts";

export interface WatchOptions {
  /** `user/channel`, for people. */
  readonly channel: string;
  readonly dial: () => Promise<Connection>;
  /** The bytes of a request that asks the server to wait so long for the channel; whole seconds. */
  readonly request: (waitSeconds: number) => Uint8Array;
  /** How long to tolerate that nothing is there yet, milliseconds; 0: not at all. */
  readonly waitMs: number;
  /** How long to tolerate that nothing comes, at any time. */
  readonly retryMs: number;
  readonly output: Output;
  readonly clock: Clock;
  readonly meter: Meter | undefined;
  /** A word for people about what is tolerated. */
  readonly say: (text: string) => void;
}

/** A server is asked to wait for at most a day at a time. */
const longestWaitMs = 24 * 3600 * 1000;
/** How much longer than the wait that was asked for its answer may take. */
const answerGraceMs = 2000;

export class Watcher {
  readonly #options: WatchOptions;
  readonly #waiting: Patience;
  readonly #retrying: Patience;
  #connection: Connection | undefined;
  #began = false;
  #stopped = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#waiting = new Patience(Math.max(options.waitMs, options.retryMs), options.clock);
    this.#retrying = new Patience(options.retryMs, options.clock);
  }

  /** Whether bytes of a stream have come. */
  get began(): boolean {
    return this.#began;
  }

  /** Receives no more; `run` ends when what has arrived is written. */
  stop(): void {
    this.#stopped = true;
    this.#connection?.close();
  }

  /**
   * Resolves when the stream has ended in order, or the output's reader has gone; rejects with the error that
   * stood in the way at last.
   */
  async run(): Promise<void> {
    let told = "";
    for (;;) {
      const patience = this.#began ? this.#retrying : this.#waiting;
      patience.begin();
      let trouble: FstreamError | undefined;
      try {
        await this.#attempt(patience);
      } catch (error) {
        if (!(error instanceof FstreamError)) throw error;
        trouble = error;
      }
      if (this.#stopped || this.#options.output.gone) return;
      if (trouble !== undefined && !mayPass(trouble)) throw trouble;
      const current = this.#began ? this.#retrying : this.#waiting;
      if (!(await current.pause())) {
        if (trouble === undefined) return;
        throw this.#patient ? this.#inVain(trouble) : trouble;
      }
      const words = trouble?.message ?? "the stream ended";
      if (words !== told) this.#options.say(`${words}; trying again`);
      told = words;
      this.#options.meter?.state("waiting");
    }
  }

  /** Whether the caller has asked for patience, and needs no advice to do so. */
  get #patient(): boolean {
    return this.#options.waitMs > 0 || this.#options.retryMs > 0;
  }

  async #attempt(patience: Patience): Promise<void> {
    const connection = await this.#options.dial();
    this.#connection = connection;
    if (this.#stopped) return connection.close();
    this.#options.meter?.behind(() => connection.unread);
    const timer = this.#timeLimit(connection, patience);
    try {
      const waitSeconds = this.#waitSeconds(patience);
      await connection.write(this.#options.request(waitSeconds));
      if (waitSeconds > 0) this.#options.meter?.state(`waiting for ${this.#options.channel} to begin`);
      const decoder = new Opening(connection.place, "watch");
      let streaming = false;
      for (let bytes = await connection.read(); bytes !== undefined; bytes = await connection.read()) {
        if (!streaming) {
          const result = decoder.feed(bytes);
          if (result.type === "more") continue;
          clearTimeout(timer);
          if (result.type === "reply" && result.reply.type === "error") {
            throw advised(result.reply.error, "watch");
          }
          streaming = true;
          this.#options.meter?.state("");
          bytes = result.type === "reply" ? result.rest : result.bytes;
        }
        await this.#pass(bytes, connection);
        if (this.#options.output.gone) return;
      }
      if (!streaming) await this.#pass(decoder.kept, connection);
      if (!streaming && decoder.kept.length === 0) throw nothingCame();
      if (connection.ending?.type !== "fin" && !this.#stopped) throw cutShort(connection);
    } finally {
      clearTimeout(timer);
      connection.close();
    }
  }

  async #pass(bytes: Uint8Array, connection: Connection): Promise<void> {
    if (bytes.length === 0) return;
    this.#began = true;
    this.#waiting.succeeded();
    this.#retrying.succeeded();
    await this.#options.output.write(bytes, connection.unread === 0);
    this.#options.meter?.add(bytes.length);
  }

  /** A server that neither answers nor hangs up must not hold a wait that is over. */
  #timeLimit(connection: Connection, patience: Patience): ReturnType<typeof setTimeout> | undefined {
    if (!this.#patient || patience.leftMs === Number.POSITIVE_INFINITY) return undefined;
    return setTimeout(() => connection.close(), Math.min(patience.leftMs, longestWaitMs) + answerGraceMs);
  }

  #waitSeconds(patience: Patience): number {
    return Math.ceil(Math.min(patience.leftMs, longestWaitMs) / 1000);
  }

  /** `trouble` for somebody who has been patient, and needs no advice to be. */
  #inVain({ code, message, cause }: FstreamError): FstreamError {
    if (code !== "not_live" || this.#began) return new FstreamError(code, message, { cause });
    const { channel, waitMs, retryMs } = this.#options;
    const hint = `${channel} did not begin within ${Math.max(waitMs, retryMs) / 1000} s`;
    return new FstreamError(code, message, { hint, cause });
  }
}

function nothingCame(): FstreamError {
  return advised(
    new FstreamError("not_live", "nothing is live there, or the server refused without a word"),
    "watch",
  );
}

function cutShort(connection: Connection): FstreamError {
  const { message } = connection.lost();
  return new FstreamError("disconnected", `the stream was cut short: ${message}`, {
    hint: "watch --retry goes on by itself",
  });
}
