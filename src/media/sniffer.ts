// Finds out what a stream is, and then follows it. The first bytes are kept until one container knows them
// as its own or none can; from then on they go straight to that container's detector, or nowhere.
//
//   sniffing --yes--> known --lost--> opaque
//            --all say no, or sniffLimit bytes are kept--> opaque
//
// The containers are asked at fixed lengths of the kept bytes, each half as long again as the last: the
// answer does not depend on how the bytes came, and all the asking together costs no more than a few looks
// at the first bytes. The order of `containers` decides where two might say yes: one is believed only when
// all before it have said no.

import { containers } from "./containers.ts";
import { type Container, type Detector, type Sink, type StreamInfo, sniffLimit } from "./detector.ts";

/** The problem of an MP4 that is not fragmented: its samples can only be found with a table that comes once. */
const wholeMp4 =
  "MP4 without fragments (ffmpeg writes them with -movflags frag_keyframe+empty_moov+default_base_moof)";

/** Kept bytes at which the containers are asked first. */
const firstLook = 16;

const unknown = (): StreamInfo => ({
  container: "unknown",
  mediaType: "application/octet-stream",
  codecs: [],
  damaged: 0,
});

/**
 * A detector for a stream of any container. An opaque stream has no header, join points or unit ends, and
 * one that has become opaque stays so. What was reported of the first bytes comes when the container is known.
 */
export class Sniffer implements Detector {
  readonly #sink: Sink;
  #state: "sniffing" | "known" | "opaque" = "sniffing";
  #info = unknown();
  #detector: Detector | undefined;
  /** Those that have not said no, in order. */
  #candidates: readonly Container[];
  #kept = new Uint8Array(256);
  #keptBytes = 0;
  #keptFrom = 0;
  #nextLook = firstLook;

  constructor(sink: Sink, candidates: readonly Container[] = containers) {
    this.#sink = sink;
    this.#candidates = candidates;
  }

  /** Where it stands: see the drawing at the top of this file. */
  get state(): "sniffing" | "known" | "opaque" {
    return this.#state;
  }

  /** The container's own; "unknown", as application/octet-stream, while and where it has none. */
  get info(): StreamInfo {
    return this.#info;
  }

  get lost(): boolean {
    return this.#state === "opaque";
  }

  get unpatchedFrom(): number {
    return this.#detector?.unpatchedFrom ?? Number.POSITIVE_INFINITY;
  }

  get heldBytes(): number {
    return this.#kept.length + (this.#detector?.heldBytes ?? 0);
  }

  padding(): readonly Uint8Array[] {
    return this.#detector?.padding?.() ?? [];
  }

  feed(bytes: Uint8Array, offset: number): void {
    let from = 0;
    while (this.#state === "sniffing" && from < bytes.length) {
      if (this.#keptBytes === 0) this.#keptFrom = offset;
      const taken = Math.min(bytes.length - from, this.#nextLook - this.#keptBytes);
      this.#keep(bytes.subarray(from, from + taken));
      from += taken;
      if (this.#keptBytes === this.#nextLook) this.#look();
    }
    if (this.#state === "known" && from < bytes.length) this.#pass(bytes.subarray(from), offset + from);
  }

  /** No more bytes will come: what is not known by those that did is opaque. */
  finishDetection(): void {
    if (this.#state !== "sniffing") return;
    this.#look();
    if (this.#state === "sniffing") this.giveUp();
  }

  #keep(bytes: Uint8Array): void {
    const needed = this.#keptBytes + bytes.length;
    if (needed > this.#kept.length) {
      const grown = new Uint8Array(Math.min(sniffLimit, Math.max(needed, 2 * this.#kept.length)));
      grown.set(this.#kept.subarray(0, this.#keptBytes));
      this.#kept = grown;
    }
    this.#kept.set(bytes, this.#keptBytes);
    this.#keptBytes = needed;
  }

  #look(): void {
    const start = this.#kept.subarray(0, this.#keptBytes);
    const unsure: Container[] = [];
    for (const container of this.#candidates) {
      const answer = container.sniff(start);
      if (answer === "yes" && unsure.length === 0) return this.#know(container, start);
      if (answer !== "no") unsure.push(container);
    }
    this.#candidates = unsure;
    if (unsure.length === 0 || this.#keptBytes === sniffLimit) return this.giveUp();
    this.#nextLook = Math.min(sniffLimit, Math.floor(this.#nextLook * 1.5));
  }

  #know(container: Container, start: Uint8Array): void {
    this.#state = "known";
    this.#detector = container.create(this.#sink);
    this.#info = this.#detector.info;
    this.#kept = new Uint8Array(0);
    this.#pass(start, this.#keptFrom);
  }

  #pass(bytes: Uint8Array, offset: number): void {
    this.#detector?.feed(bytes, offset);
    if (this.#detector?.lost === true) this.giveUp();
  }

  /** Whatever it was, it is opaque from now on. */
  giveUp(): void {
    const { damaged, problem = this.#problemOfKept() } = this.#info;
    this.#state = "opaque";
    this.#detector = undefined;
    this.#kept = new Uint8Array(0);
    this.#info = problem === undefined ? { ...unknown(), damaged } : { ...unknown(), damaged, problem };
  }

  /** What is known of a stream that no container took for its own. An MP4 file begins with a box `ftyp` (ISO/IEC 14496-12, 4.3). */
  #problemOfKept(): string | undefined {
    const isMp4 =
      this.#keptBytes >= 8 && [0x66, 0x74, 0x79, 0x70].every((byte, i) => this.#kept[4 + i] === byte);
    return this.#state === "sniffing" && isMp4 ? wholeMp4 : undefined;
  }
}
