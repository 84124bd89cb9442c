// The live status line: one line on stderr that is written over twice a second, and wiped before anything else is
// said; the last one, of the whole, stays. It shows what is known: how long, how fast, how much, and for a watcher what has arrived but is not yet
// taken from stdout. Where another program draws on the terminal as well, there is the last line alone.

import { printable } from "../log.ts";
import { formatBytes, formatClock } from "./amount.ts";

const everyMs = 500;
/** The rate is an average over this long. */
const rateWindowMs = 3000;
/** Clears the line, also of what other programs wrote there. */
export const wipe = "\r\u001b[K";

export interface Screen {
  write(text: string): void;
  /** Columns of the terminal. */
  columns(): number;
  nowMs(): number;
}

export class Meter {
  readonly #screen: Screen;
  #total = 0;
  #behind: () => number = () => 0;
  #state = "connecting";
  #startMs = 0;
  #samples: { readonly atMs: number; readonly total: number }[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  #running = false;
  #shown = false;
  readonly #isLive: boolean;

  /** `isLive`: whether the line is shown while it runs. */
  constructor(screen: Screen, isLive = true) {
    this.#screen = screen;
    this.#isLive = isLive;
  }

  start(): void {
    this.#startMs = this.#screen.nowMs();
    this.#running = true;
    if (!this.#isLive) return;
    this.#timer = setInterval(() => this.show(), everyMs);
    this.show();
  }

  /** Bytes went through. */
  add(bytes: number): void {
    this.#total += bytes;
  }

  /** Bytes that went through came to nothing. */
  discard(bytes: number): void {
    this.#total -= bytes;
    this.#samples = [];
  }

  /** What is going on, in a word or two; empty while bytes flow. */
  state(text: string): void {
    this.#state = text;
  }

  /** Where to ask how many bytes have arrived, but are not taken from stdout. */
  behind(ask: () => number): void {
    this.#behind = ask;
  }

  show(): void {
    const atMs = this.#screen.nowMs();
    this.#samples.push({ atMs, total: this.#total });
    while (this.#samples.length > 2 && atMs - this.#samples[0].atMs > rateWindowMs) this.#samples.shift();
    const [first] = this.#samples;
    const spanMs = atMs - first.atMs;
    const rate = spanMs > 0 ? ((this.#total - first.total) * 1000) / spanMs : 0;
    const behind = this.#behind();
    const parts = [
      formatClock(atMs - this.#startMs),
      this.#state === "" ? `${formatBytes(rate)}/s` : this.#state,
      formatBytes(this.#total),
      ...(behind > 0 ? [`${formatBytes(behind)} behind`] : []),
    ];
    this.#write(parts);
    this.#shown = true;
  }

  #write(parts: readonly string[], end = ""): void {
    const line = printable(`fstream: ${parts.join("  ")}`).slice(0, this.#screen.columns() - 1);
    this.#screen.write(`${wipe}${line}${end}`);
  }

  /** Takes the line off the screen; the next tick brings it back. */
  clear(): void {
    if (this.#shown) this.#screen.write(wipe);
    this.#shown = false;
  }

  /** No more is shown: what stays, if bytes went through, is how long, how fast on average, and how much in total. */
  stop(): void {
    if (!this.#running) return;
    this.#running = false;
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#total === 0) {
      this.clear();
      return;
    }
    this.#shown = false;
    const ms = this.#screen.nowMs() - this.#startMs;
    const rate = ms > 0 ? (this.#total * 1000) / ms : 0;
    this.#write([formatClock(ms), `${formatBytes(rate)}/s`, formatBytes(this.#total)], "\n");
  }
}
