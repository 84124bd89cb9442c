// Gives a stream to the code in one way, and measures: the time of each piece on this thread's own clock, which others on
// the machine do not advance, the memory that is held, and the memory that is taken on the way. What is too much is
// looked at again in a process that is warm by now, and counts only if it is too much each time.

import type { Container } from "../../src/media/detector.ts";
import { dice } from "../protocol/dice.ts";
import { type Case, maxStreamBytes } from "./cases.ts";
import { threadMs } from "./clock.ts";
import { familyOf } from "./families.ts";
import { render } from "./parts.ts";
import { splitFault } from "./reports.ts";
import { DetectorSubject, describe, RelaySubject, type Subject } from "./subject.ts";

/** What is asked of the code. Times are for a piece of at most 512 KiB, on one core. */
export interface Bounds {
  readonly pieceMs: number;
  /** Milliseconds for each 512 KiB of a whole stream, and for each piece however small. */
  readonly streamMs: number;
  readonly callMs: number;
  /** Held besides the backlog, and still held when all is over. Bytes. */
  readonly heldBytes: number;
  readonly leftBytes: number;
  /** Taken by the process on the way, garbage included. Bytes. */
  readonly peakBytes: number;
}

const mebibyte = 2 ** 20;
/** The bounds, times `slack` where time is concerned. */
export function bounds(slack: number): Bounds {
  return {
    pieceMs: 20 * slack,
    streamMs: 20 * slack,
    callMs: 0.05 * slack,
    heldBytes: 24 * mebibyte,
    leftBytes: 8 * mebibyte,
    peakBytes: 200 * mebibyte,
  };
}

export type Kind = "piece" | "stream" | "growth" | "held" | "left" | "peak" | "rule" | "throw" | "hang";

/** Something that is too much, or broken. `value` over `bound` is how much too much. */
export interface Finding {
  readonly kind: Kind;
  readonly text: string;
  readonly value: number;
  readonly bound: number;
}

export interface Verdict {
  readonly findings: readonly Finding[];
  /** What the stream was taken for. */
  readonly container: string;
  readonly bytes: number;
  readonly ms: number;
  /** Of a batch: the seeds of the streams that look wrong. */
  readonly suspects?: readonly number[];
}

/** What one run has measured. */
interface Run {
  /** Of each piece, and each step of the end. */
  readonly pieces: number[];
  /** Of each time the stream was fed. */
  readonly rounds: number[];
  fedBytes: number;
  heldBytes: number;
  leftBytes: number;
  peakBytes: number;
  faults: readonly string[];
  thrown: string | undefined;
  container: string;
}

/** Bytes in use, after a collection. */
function heapBytes(): number {
  Bun.gc(true);
  return process.memoryUsage().heapUsed;
}

function subjectOf(given: Case, bytes: Uint8Array, containers: readonly Container[] | undefined): Subject {
  return given.scenario === undefined
    ? new DetectorSubject(containers)
    : new RelaySubject(given.scenario, bytes.length * given.again);
}

/** A stream is cut into no more pieces than that, about. */
const maxPieces = 65_536;

/** Where a stream is cut into pieces: the same for the same case. */
function* pieces(given: Case, bytes: Uint8Array): Generator<Uint8Array> {
  const roll = dice(given.seed);
  const least = Math.floor(bytes.length / maxPieces);
  const buffer = new Uint8Array(Math.max(least, given.pieceBytes));
  for (let at = 0; at < bytes.length; ) {
    const wanted = given.seed === 0 ? given.pieceBytes : 1 + roll(given.pieceBytes);
    const length = Math.min(bytes.length - at, Math.max(wanted, least));
    // A buffer that is used again: what kept it would find other bytes there.
    buffer.set(bytes.subarray(at, at + length));
    yield buffer.subarray(0, length);
    at += length;
  }
}

function run(
  given: Case,
  bytes: Uint8Array,
  limits: Bounds,
  containers: readonly Container[] | undefined,
): Run {
  const before = heapBytes();
  const result: Run = {
    pieces: [],
    rounds: [],
    fedBytes: 0,
    heldBytes: 0,
    leftBytes: 0,
    peakBytes: 0,
    faults: [],
    thrown: undefined,
    container: "",
  };
  const remains = drive(given, bytes, limits, containers, before, result);
  // The stream is over, and what it was fed to is released, except what outlives it: the relay without its channel.
  result.leftBytes = result.thrown === undefined ? heapBytes() - before : 0;
  if (remains === result) throw new Error("what remains is no result");
  return result;
}

/** Feeds the stream, and measures on the way. Gives what is there for the next stream too. */
function drive(
  given: Case,
  bytes: Uint8Array,
  limits: Bounds,
  containers: readonly Container[] | undefined,
  before: number,
  result: Run,
): unknown {
  const residentBefore = process.memoryUsage.rss();
  const subject = subjectOf(given, bytes, containers);
  const broadcasts = given.scenario?.rounds.length ?? 1;
  const checkEvery = Math.ceil((bytes.length * given.again * broadcasts) / 5);
  let unchecked = 0;
  const timed = (act: () => void, isLook: boolean): number => {
    const from = threadMs();
    act();
    const ms = threadMs() - from;
    result.pieces.push(ms);
    if (isLook) result.peakBytes = Math.max(result.peakBytes, process.memoryUsage.rss() - residentBefore);
    return ms;
  };
  try {
    for (let round = 0; round < given.again * broadcasts; round++) {
      let ms = 0;
      for (const piece of pieces(given, bytes)) {
        unchecked += piece.length;
        result.fedBytes += piece.length;
        ms += timed(() => subject.feed(piece), piece.length > 4096);
        if (unchecked < checkEvery && result.peakBytes < limits.peakBytes) continue;
        unchecked = 0;
        result.heldBytes = Math.max(result.heldBytes, heapBytes() - before);
        if (result.peakBytes > 4 * limits.peakBytes) throw new TooMuch();
      }
      result.rounds.push(ms);
    }
    for (const step of subject.end()) timed(step, true);
  } catch (error) {
    if (!(error instanceof TooMuch)) result.thrown = describe(error);
  }
  result.faults = subject.faults;
  result.container = subject.container;
  return subject.remains;
}

/** A run is not finished: it would take the machine's memory. */
class TooMuch extends Error {}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const least = (a: readonly number[], b: readonly number[]) =>
  a.map((value, i) => Math.min(value, b[i] ?? value));
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

function judge(given: Case, result: Run, limits: Bounds): Finding[] {
  const findings: Finding[] = [];
  const above = (kind: Kind, value: number, bound: number, text: string) => {
    if (value > bound) findings.push({ kind, value, bound, text });
  };
  if (result.thrown !== undefined) findings.push({ kind: "throw", value: 1, bound: 0, text: result.thrown });
  for (const fault of result.faults) {
    const kind = fault.includes(" throws ") ? "throw" : "rule";
    findings.push({ kind, value: 1, bound: 0, text: fault });
  }
  const slowest = Math.max(...sample(result.pieces));
  const total = sum(result.pieces);
  const backlog = given.scenario?.backlogBytes ?? 0;
  above("piece", slowest, limits.pieceMs, `a piece takes ${slowest.toFixed(1)} ms`);
  const { fedBytes } = result;
  const allowed = limits.streamMs * (1 + fedBytes / (512 * 1024)) + limits.callMs * result.pieces.length;
  above(
    "stream",
    total,
    allowed,
    `${fedBytes} bytes in ${result.pieces.length} pieces take ${total.toFixed(1)} ms`,
  );
  if (given.again >= 8) {
    const [early, late] = [
      sum(result.rounds.slice(1, 3)),
      sum(result.rounds.slice(given.again - 2, given.again)),
    ];
    above(
      "growth",
      late,
      2.5 * early + limits.pieceMs,
      `the same bytes take ${early.toFixed(1)} ms at first, ${late.toFixed(1)} ms later`,
    );
  }
  above("held", result.heldBytes, limits.heldBytes + 2 * backlog, `${megabytes(result.heldBytes)} are held`);
  above(
    "left",
    result.leftBytes,
    limits.leftBytes,
    `${megabytes(result.leftBytes)} are still held when all is over`,
  );
  above(
    "peak",
    result.peakBytes,
    limits.peakBytes,
    `the process takes ${megabytes(result.peakBytes)} on the way`,
  );
  return findings;
}

/** The longest of many values: a spread of a hundred thousand arguments would not do. */
function sample(values: readonly number[]): number[] {
  return [values.reduce((most, value) => Math.max(most, value), 0)];
}

/** Runs of a case that is found too slow, the first included: by then its code is compiled. */
const maxRuns = 20;
/** What is so many times too much is no chance. */
const doubtless = 20;
/** All runs together take no longer, about. Milliseconds. */
const longMs = 3000;

/** Whether it may be the machine's doing. */
function isDoubtful({ kind, value, bound }: Finding): boolean {
  return kind !== "rule" && kind !== "throw" && value < doubtless * bound;
}

let last: { readonly text: string; readonly bytes: Uint8Array } | undefined;

/** The bytes of a case's stream. The next case mostly has the same. */
function made({ container, parts }: Case): Uint8Array {
  const text = `${container} ${JSON.stringify(parts)}`;
  if (last?.text !== text) last = { text, bytes: render(familyOf(container), parts, maxStreamBytes) };
  return last.bytes;
}

/** Longer streams are not compared in pieces. Bytes. */
const maxComparedBytes = 256 * 1024;

/** Whether what is reported depends on how the bytes came: looked at where the stream is given once, to the detectors alone. */
function splitFindings({ scenario, again, seed }: Case, bytes: Uint8Array): Finding[] {
  if (scenario !== undefined || again > 1 || seed === 0 || bytes.length > maxComparedBytes) return [];
  const text = splitFault(bytes, dice(seed));
  return text === undefined ? [] : [{ kind: "rule", text, value: 1, bound: 0 }];
}

/** Gives a stream to the code. Findings of a kind that is `ignored` are not looked into. `containers` stand in for the project's own. */
export function examine(
  given: Case,
  limits: Bounds,
  ignored: readonly Kind[] = [],
  containers?: readonly Container[],
): Verdict {
  const bytes = made(given);
  if (given.pieceBytes === 1 && bytes.length > 65_536)
    return { findings: [], container: "", bytes: 0, ms: 0 };
  let result = run(given, bytes, limits, containers);
  const wanted = (all: Finding[]) => all.filter(({ kind }) => !ignored.includes(kind));
  let findings = wanted(judge(given, result, limits));
  const firstMs = sum(result.pieces);
  for (let runs = 1; runs < maxRuns && runs * firstMs < longMs && findings.some(isDoubtful); runs++) {
    const next = run(given, bytes, limits, containers);
    result = {
      ...next,
      pieces: least(next.pieces, result.pieces),
      rounds: least(next.rounds, result.rounds),
      heldBytes: Math.min(next.heldBytes, result.heldBytes),
      leftBytes: Math.min(next.leftBytes, result.leftBytes),
      // what garbage the process holds on to is known in the first run alone
      peakBytes: result.peakBytes,
    };
    findings = wanted(judge(given, result, limits));
  }
  if (containers === undefined) findings.push(...wanted(splitFindings(given, bytes)));
  return { findings, container: result.container, bytes: bytes.length, ms: firstMs };
}
