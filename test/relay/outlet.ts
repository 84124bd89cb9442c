// A watcher's socket as a test wants it: it takes everything, a part, or nothing, goes away, and has room again. It
// writes down what came, and from where in the channel, and fails a test that breaks the rules of an outlet: a write
// while it is full, a write after its end, a second end.

import type { End } from "../../src/relay/broadcast.ts";
import type { Outlet, Watcher } from "../../src/relay/watcher.ts";

/** Bytes that came in one go from the ring, and the absolute offset of the first of them. */
export interface Run {
  readonly from: number;
  readonly bytes: Uint8Array;
}

export class FakeOutlet implements Outlet {
  /** For a FakeBatch. */
  descriptor: number | undefined;
  /** Bytes that it still takes. */
  room = Number.POSITIVE_INFINITY;
  /** The peer is gone: writes say so. */
  gone = false;
  /** Called in each write, before it takes anything. */
  onWrite: (outlet: FakeOutlet) => void = () => {};
  end: End | undefined;
  begun: boolean | undefined;
  #watcher: Watcher | undefined;
  #full = false;
  #isWritten = false;
  readonly #pieces: { at: number | undefined; bytes: Uint8Array }[] = [];

  /** To be set as soon as there is one: what was written before is placed by it. */
  set watcher(watcher: Watcher) {
    this.#watcher = watcher;
    let at = watcher.cursor;
    for (const piece of this.#pieces.toReversed()) {
      at -= piece.bytes.length;
      piece.at = at;
    }
  }

  get watcher(): Watcher {
    if (this.#watcher === undefined) throw new Error("this outlet has no watcher yet");
    return this.#watcher;
  }

  write(bytes: Uint8Array, offset: number, length: number): number {
    this.onWrite(this);
    this.#isWritten = true;
    const taken = this.take(bytes, offset, length);
    this.#full = taken < length;
    return taken;
  }

  /** What the socket takes of a piece that may be sent to it now, beside `write`. */
  take(bytes: Uint8Array, offset: number, length: number): number {
    if (this.end !== undefined) throw new Error("sent to after its end");
    if (this.#full) throw new Error("sent to while it is full");
    if (!this.#isWritten) throw new Error("sent to before the first write");
    if (length <= 0 || offset + length > bytes.length) throw new Error(`a piece of ${length} at ${offset}`);
    if (this.gone) return -1;
    const taken = Math.min(this.room, length);
    this.room -= taken;
    if (taken > 0) {
      const at = this.#watcher?.cursor;
      this.#pieces.push({ at, bytes: bytes.slice(offset, offset + taken) });
    }
    return taken;
  }

  finish(end: End, sentBytes: number): void {
    if (this.end !== undefined) throw new Error("finished twice");
    this.end = end;
    this.begun = sentBytes > 0;
  }

  /** Makes room for that many bytes more. */
  give(bytes: number): void {
    this.room += bytes;
    if (!this.#full || bytes === 0) return;
    this.#full = false;
    this.#watcher?.drained();
  }

  /** The kernel says that there is room where there is none, as it sometimes does. */
  drainForNothing(): void {
    this.#full = false;
    this.#watcher?.drained();
  }

  /** Everything that came. */
  get received(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#pieces.map((piece) => piece.bytes)));
  }

  get receivedBytes(): number {
    return this.#pieces.reduce((sum, piece) => sum + piece.bytes.length, 0);
  }

  /** What came from the ring, in runs without a gap. Only for watchers that are sent nothing else. */
  get runs(): Run[] {
    const runs: { from: number; pieces: Uint8Array[]; to: number }[] = [];
    for (const { at, bytes } of this.#pieces) {
      if (at === undefined) throw new Error("this outlet has no watcher yet");
      const last = runs.at(-1);
      if (last?.to === at) {
        last.pieces.push(bytes);
        last.to += bytes.length;
      } else runs.push({ from: at, pieces: [bytes], to: at + bytes.length });
    }
    return runs.map(({ from, pieces }) => ({ from, bytes: new Uint8Array(Buffer.concat(pieces)) }));
  }

  /** Where its runs begin and end, for comparisons at a glance. */
  get spans(): [from: number, to: number][] {
    return this.runs.map(({ from, bytes }) => [from, from + bytes.length]);
  }

  /** How it ended: "orderly", a code, or "" if it has not. */
  get ending(): string {
    if (this.end === undefined) return "";
    return this.end.type === "orderly" ? "orderly" : this.end.error.code;
  }
}
