// What the benchmark finds out, as it is written to `--json` files, and how rounds become one figure: by their median.
// Peers take turns within a round, so a ratio is made within each round before the median is taken.

import type { Measured } from "./load.ts";
import type { PeerName } from "./peers.ts";

export interface Results {
  readonly date: string;
  readonly machine: string;
  /** What was not measured, and why. */
  readonly leftOut: string[];
  /** Peers that can't run here, and why. */
  readonly absent: Partial<Record<PeerName, string>>;
  /** What makes a figure doubtful. */
  readonly warnings: string[];
  /** Of each fan-out, by its name, each peer's rounds. */
  readonly fanOuts: Record<string, Partial<Record<PeerName, Measured[]>>>;
  /** Of everything else, by its name, the rounds of each of those that were compared. */
  readonly figures: Record<string, Record<string, number[]>>;
  /** What the detectors' benchmark printed. */
  detectors: string;
}

export function newResults(machine: string): Results {
  return {
    date: new Date().toISOString().slice(0, 10),
    machine,
    leftOut: [],
    absent: {},
    warnings: [],
    fanOuts: {},
    figures: {},
    detectors: "",
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The median of what `of` makes of each round of a peer; undefined if it was not measured. */
export function figureOf(
  results: Results,
  work: string,
  peer: PeerName,
  of: (measured: Measured) => number,
): number | undefined {
  const rounds = results.fanOuts[work]?.[peer];
  return rounds === undefined || rounds.length === 0 ? undefined : median(rounds.map(of));
}

/** The median of the rounds' ratios of one peer to another. */
export function ratioOf(
  results: Results,
  work: string,
  peers: readonly [PeerName, PeerName],
  of: (measured: Measured) => number,
): number | undefined {
  const [ours, theirs] = peers.map((peer) => results.fanOuts[work]?.[peer] ?? []);
  const count = Math.min(ours.length, theirs.length);
  if (count === 0) return undefined;
  return median(Array.from({ length: count }, (_, round) => of(ours[round]) / of(theirs[round])));
}

/** The median of a figure; undefined if it was not measured. */
export function plainFigure(results: Results, name: string, of: string): number | undefined {
  const rounds = results.figures[name]?.[of];
  return rounds === undefined || rounds.length === 0 ? undefined : median(rounds);
}

export function addFigure(results: Results, name: string, of: string, value: number): void {
  const figures = (results.figures[name] ??= {});
  (figures[of] ??= []).push(value);
}

/** Whether every watcher got every byte of each round. */
export function allDelivered(rounds: readonly Measured[]): boolean {
  return rounds.every(({ complete, watchers, damages }) => complete === watchers && damages === 0);
}
