// The programs of a transport stream as its tables announce them (ISO/IEC 13818-1, 2.4.4): PAT and PMTs, put together,
// read, and made into packets again for joiners.

import { concat, sameBytes } from "../bytes.ts";
import { Pace } from "../pace.ts";
import { type Elementary, packetise, readPat, readPmt, Sections } from "./psi.ts";

/** Elementary streams followed at a time; more are passed on unseen. */
const maxStreams = 64;
/** Programs whose maps are kept: a whole multiplex has some thirty. */
const maxPrograms = 64;
/** What it costs to take new tables up, in bytes of stream (pace.ts): at all, for each program, for each stream. */
const tablesCost = 512;
const programCost = 128;
const streamCost = 320;
const maxTablesCost = tablesCost + maxPrograms * programCost + maxStreams * streamCost;

const nothing = new Uint8Array(0);

interface Program {
  readonly number: number;
  readonly pid: number;
  map: Uint8Array | undefined;
  streams: readonly Elementary[];
}

/** The newest tables. */
export class Programs {
  readonly #sections = new Map<number, Sections>();
  readonly #pace = new Pace();
  #pat: Uint8Array = nothing;
  #programs: Program[] = [];
  /** Whether the tables have changed since `takeUp`. */
  isChanged = false;

  constructor() {
    this.#follow();
  }

  /** The PIDs that tables come in. */
  get pids(): Iterable<number> {
    return this.#sections.keys();
  }

  /** The elementary streams of all programs. */
  get streams(): Elementary[] {
    return this.#programs.flatMap(({ streams }) => streams).slice(0, maxStreams);
  }

  /** The payload of the next packet of a table's PID, as `Sections.feed`. */
  feed(pid: number, bytes: Uint8Array, from: number, to: number, start: boolean, counter: number): void {
    this.#sections.get(pid)?.feed(bytes, from, to, start, counter);
  }

  /** Takes the tables up that have changed, at `offset`; false if that was done too often for so few bytes. */
  takeUp(offset: number): boolean {
    let cost = tablesCost + programCost * this.#programs.length;
    for (const { streams } of this.#programs) cost += streamCost * streams.length;
    if (!this.#pace.allows(offset, Math.min(cost, maxTablesCost))) return false;
    this.isChanged = false;
    this.#follow();
    return true;
  }

  /** PAT and PMTs in packets; undefined while no PMT has come. */
  packets(): Uint8Array | undefined {
    const maps = this.#programs.flatMap(({ pid, map }) => (map === undefined ? [] : [{ pid, map }]));
    if (maps.length === 0) return undefined;
    const pids = [...new Set(maps.map(({ pid }) => pid))];
    const mapsOf = (pid: number) => maps.filter((map) => map.pid === pid).map(({ map }) => map);
    return concat([packetise(0, [this.#pat]), ...pids.map((pid) => packetise(pid, mapsOf(pid)))]);
  }

  /** Puts together what comes in the tables' PIDs, and goes on with what has begun. */
  #follow(): void {
    const old = new Map(this.#sections);
    this.#sections.clear();
    this.#sections.set(0, old.get(0) ?? new Sections((section) => this.#takePat(section)));
    for (const { pid } of this.#programs)
      this.#sections.set(pid, old.get(pid) ?? new Sections((section) => this.#takePmt(pid, section)));
  }

  #takePat(section: Uint8Array): void {
    if (sameBytes(section, this.#pat)) return;
    const announced = readPat(section)?.slice(0, maxPrograms);
    if (announced === undefined) return;
    this.#pat = section.slice();
    const old = this.#programs;
    this.#programs = announced.map(({ program, pid }) => {
      const known = old.find((other) => other.number === program && other.pid === pid);
      return known ?? { number: program, pid, map: undefined, streams: [] };
    });
    this.isChanged = true;
  }

  #takePmt(pid: number, section: Uint8Array): void {
    const number = section.length < 5 ? -1 : (section[3] << 8) | section[4];
    const program = this.#programs.find((known) => known.number === number && known.pid === pid);
    if (program === undefined || (program.map !== undefined && sameBytes(section, program.map))) return;
    const map = readPmt(section);
    if (map === undefined) return;
    program.map = section.slice();
    program.streams = map.streams.slice(0, maxStreams);
    this.isChanged = true;
  }
}
