// Watching: asks for a channel and passes its bytes on to the output, until the stream ends. What the first
// bytes are decides which kind of server it is: a reply frame, or the stream itself (the original protocol).
//
// One attempt ends in order or with an error. What counts as in order its server is asked for (end.ts), if it has given the
// stream an id; else that it was a FIN. `wait` tolerates errors that may pass until the first byte has come, `retry` every
// end at all times, each for so long as nothing comes of it.

import { type Code, FstreamError } from "../errors.ts";
import { Backoff, mayPass } from "./backoff.ts";
import type { ClientClock } from "./clock.ts";
import type { ServerConnection } from "./connection.ts";
import { askEnd, missing, type StreamEnd } from "./endquery.ts";
import { FirstReply } from "./firstreply.ts";
import { withHint } from "./hints.ts";
import type { Meter } from "./meter.ts";
import type { Output } from "./output.ts";

export interface WatchOptions {
  /** `user/channel`, for people. */
  readonly channel: string;
  /** `peer`: the IP address to take, of those that the server's name may have. */
  readonly dial: (peer?: string) => Promise<ServerConnection>;
  /** The bytes of a request that asks the server to wait so long for the channel; whole seconds. */
  readonly request: (waitSeconds: number) => Uint8Array;
  /** How long to tolerate that nothing is there yet, milliseconds; 0: not at all. */
  readonly waitMs: number;
  /** How long to tolerate that nothing comes, at any time. */
  readonly retryMs: number;
  /** Whether the server was asked to close rather than to skip: then a skip is an error. */
  readonly closeWhenSlow: boolean;
  /** How long the server may say nothing where it was not asked to wait, milliseconds. */
  readonly firstByteMs?: number;
  /** How long nothing may come before that is reported, milliseconds. */
  readonly noticeMs?: number;
  readonly output: Output;
  readonly clock: ClientClock;
  readonly meter: Meter | undefined;
  /** Reports what is tolerated. */
  readonly say: (text: string) => void;
  /** Reports what is lost. */
  readonly warn: (text: string) => void;
}

/** A server is asked to wait for at most a day at a time. */
const longestWaitMs = 24 * 3600 * 1000;
/** Longer than a server looks for a join point, or holds a channel for its broadcaster, as it usually does. */
const firstByteMs = 60_000;
/** A pause that people notice. */
const noticeMs = 10_000;
/** How much longer than the wait that was asked for its answer may take. */
const answerGraceMs = 2000;

export class WatchClient {
  readonly #options: WatchOptions;
  readonly #waiting: Backoff;
  readonly #retrying: Backoff;
  #connection: ServerConnection | undefined;
  #began = false;
  #noticed = false;
  #stopped = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#waiting = new Backoff(Math.max(options.waitMs, options.retryMs), options.clock);
    this.#retrying = new Backoff(options.retryMs, options.clock);
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
    let said = "";
    for (;;) {
      const backoff = this.#began ? this.#retrying : this.#waiting;
      backoff.begin();
      let trouble: FstreamError | undefined;
      try {
        await this.#attempt(backoff);
      } catch (error) {
        if (!(error instanceof FstreamError)) throw error;
        trouble = error;
      }
      if (this.#stopped || this.#options.output.gone) return;
      if (trouble !== undefined && !mayPass(trouble)) throw trouble;
      const current = this.#began ? this.#retrying : this.#waiting;
      if (!(await current.pause())) {
        if (trouble === undefined) return;
        throw this.#willWait ? this.#afterWait(trouble) : trouble;
      }
      const reason = trouble?.message ?? "the stream ended";
      if (reason !== said) this.#options.say(`${reason}; trying again`);
      said = reason;
      this.#options.meter?.state("waiting");
    }
  }

  /** Whether waiting was asked for, and needs no hint. */
  get #willWait(): boolean {
    return this.#options.waitMs > 0 || this.#options.retryMs > 0;
  }

  async #attempt(backoff: Backoff): Promise<void> {
    const { dial, output, meter, clock } = this.#options;
    const connection = await dial();
    this.#connection = connection;
    if (this.#stopped) return connection.close();
    meter?.behind(() => connection.unread);
    let got = 0;
    let id: string | undefined;
    let sinceMs: number | undefined;
    try {
      const opened = await this.#open(connection, backoff);
      id = opened.id;
      sinceMs = clock.nowMs();
      for (let bytes: Uint8Array | undefined = opened.bytes; bytes !== undefined; ) {
        got += bytes.length;
        await this.#pass(bytes, connection);
        if (output.gone) return;
        const next = connection.read();
        bytes = await (got > 0
          ? next
          : this.#noticing(`connected to ${connection.place}, waiting for data`, next));
      }
    } finally {
      connection.close();
      // Time with a stream counts as success, though its broadcaster may have been silent.
      if (sinceMs !== undefined) this.#retrying.worked(clock.nowMs() - sinceMs);
    }
    if (!this.#stopped) await this.#conclude(connection, id, got);
  }

  /** Makes the request and waits for what the server says first: the stream's id, if it has one, and its first bytes. */
  async #open(
    connection: ServerConnection,
    backoff: Backoff,
  ): Promise<{ readonly id?: string | undefined; readonly bytes: Uint8Array }> {
    const { meter, request, channel } = this.#options;
    const limitMs = this.#limitMs(backoff);
    let late = false;
    // A server that neither answers nor hangs up is not waited for without end.
    const timer = setTimeout(() => {
      late = true;
      connection.close();
    }, limitMs);
    try {
      const waitSeconds = this.#waitSeconds(backoff);
      await connection.write(request(waitSeconds));
      if (waitSeconds > 0) meter?.state(`waiting for ${channel}`);
      const decoder = new FirstReply(connection.place, "watch");
      // Nothing is to be expected while the server waits, as it was asked to.
      const next = () =>
        waitSeconds > 0
          ? connection.read()
          : this.#noticing(`connected to ${connection.place}, waiting for an answer`, connection.read());
      for (let bytes = await next(); bytes !== undefined; bytes = await next()) {
        const result = decoder.feed(bytes);
        if (result.type === "more") continue;
        meter?.state("");
        if (result.type === "stream") return { bytes: result.bytes };
        if (result.reply.type === "error") throw withHint(result.reply.error, "watch", connection.place);
        return { id: result.reply.fields.get("id"), bytes: result.rest };
      }
      if (late) throw this.#silent(connection, limitMs);
      if (connection.secure && !this.#stopped) throw connection.lost();
      if (decoder.kept.length === 0 && !this.#stopped) throw nothingCame(connection.place);
      // What we have cut off ourselves may be half a frame; what the server has is a stream.
      return { bytes: this.#stopped ? decoder.kept.subarray(0, 0) : decoder.kept };
    } catch (error) {
      throw late ? this.#silent(connection, limitMs) : error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** What `next` gives; reports `text`, the first time that it takes long. */
  async #noticing<T>(text: string, next: Promise<T>): Promise<T> {
    if (this.#noticed) return await next;
    const timer = setTimeout(() => {
      this.#noticed = true;
      this.#options.say(text);
    }, this.#options.noticeMs ?? noticeMs);
    try {
      return await next;
    } finally {
      clearTimeout(timer);
    }
  }

  async #pass(bytes: Uint8Array, connection: ServerConnection): Promise<void> {
    if (bytes.length === 0) return;
    this.#began = true;
    await this.#options.output.write(bytes, connection.unread === 0);
    this.#options.meter?.add(bytes.length);
  }

  /** Returns if the stream of which `got` bytes have come is whole, as far as can be known. */
  async #conclude(connection: ServerConnection, id: string | undefined, got: number): Promise<void> {
    const { dial, warn, closeWhenSlow } = this.#options;
    if (id === undefined) {
      if (connection.ending?.type !== "fin") throw cutShort(connection.lost().message);
      return;
    }
    let end: StreamEnd;
    try {
      end = await askEnd(() => dial(connection.peer), id);
    } catch (error) {
      if (!(error instanceof FstreamError)) throw error;
      if (connection.ending?.type !== "fin") throw cutShort(connection.lost().message);
      throw cutShort(
        `the server did not say how it ended: ${error.message}`,
        "disconnected",
        "the stream may have been cut short",
      );
    }
    const skip =
      end.skipped === 0
        ? undefined
        : `the server skipped ${end.skipped} bytes of the stream: this client was too slow`;
    const cut = missing(end, got);
    if (skip !== undefined && (cut !== undefined || !closeWhenSlow)) warn(skip);
    if (cut !== undefined) throw cutShort(cut.why, cut.code);
    if (skip !== undefined && closeWhenSlow) throw new FstreamError("slow", skip);
  }

  #limitMs(backoff: Backoff): number {
    if (this.#willWait) return Math.min(backoff.leftMs, longestWaitMs) + answerGraceMs;
    return this.#options.firstByteMs ?? firstByteMs;
  }

  #silent({ place }: ServerConnection, limitMs: number): FstreamError {
    const message = `${place} sent neither the stream nor an error`;
    // How long that was is added to it.
    if (this.#willWait) return new FstreamError("not_live", message);
    return new FstreamError("disconnected", `${message} within ${limitMs / 1000} s`, {
      hint: "use --wait to wait longer",
    });
  }

  #waitSeconds(backoff: Backoff): number {
    return Math.ceil(Math.min(backoff.leftMs, longestWaitMs) / 1000);
  }

  /** `trouble` after a wait that was asked for, which needs no hint to wait. */
  #afterWait({ code, message, cause }: FstreamError): FstreamError {
    if (code !== "not_live" || this.#began) return new FstreamError(code, message, { cause });
    const { waitMs, retryMs } = this.#options;
    return new FstreamError(code, `${message} (waited ${Math.max(waitMs, retryMs) / 1000} s)`, { cause });
  }
}

function nothingCame(place: string): FstreamError {
  return withHint(
    new FstreamError("not_live", "nothing is live there, or the server refused without giving a reason"),
    "watch",
    place,
  );
}

function cutShort(why: string, code: Code = "disconnected", what = "the stream was cut short"): FstreamError {
  const error = new FstreamError(code, `${what}: ${why}`);
  return mayPass(error)
    ? new FstreamError(code, error.message, { hint: "use watch --retry to reconnect automatically" })
    : withHint(error, "watch", "");
}
