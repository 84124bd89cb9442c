// A case: a stream, and one way to give it to the code. All of it comes from a seed, and is plain data.

import { familyOf } from "./families.ts";
import { mutated } from "./mutate.ts";
import { type Part, pick, type Roll, size } from "./parts.ts";

/** No piece that a socket gives is longer. Bytes. */
export const maxPieceBytes = 512 * 1024;
/** Streams are cut off there. Bytes. */
export const maxStreamBytes = 6 * 1024 * 1024;

/** A watcher of a scenario. WaitingPlaces are counted in rounds: 1.5 is half way through the second. */
export interface PlannedWatcher {
  readonly at: number;
  readonly start: "join" | "next" | "live" | "back";
  /** Bytes it takes for each piece that comes in; 0: all. */
  readonly takesBytes: number;
  readonly slowPolicy: "skip" | "close";
  /** Where it leaves. */
  readonly leavesAt?: number;
}

/** One broadcast of the stream, up to a share of its bytes, and how that ends. */
export interface Round {
  readonly upTo: number;
  /** A broadcast that ends as "break" or "takeover" is followed by the next; the last can end in any way. */
  readonly how: "finish" | "break" | "takeover" | "stop" | "silence";
}

/** What goes on in a channel while the stream comes in. */
export interface Scenario {
  readonly backlogBytes: number;
  /** Between two pieces. */
  readonly ms: number;
  readonly rounds: readonly Round[];
  readonly watchers: readonly PlannedWatcher[];
}

/** One way to give a stream to the code. */
export interface Way {
  /** Pieces of up to so many bytes; of exactly so many if `seed` is 0. */
  readonly pieceBytes: number;
  readonly seed: number;
  /** How often the whole stream is fed, one after the other: time must not grow from one to the next. */
  readonly again: number;
  /** Through a channel; without it the detectors alone. */
  readonly scenario?: Scenario;
}

export interface Case extends Way {
  readonly container: string;
  readonly parts: readonly Part[];
}

function scenario(roll: Roll): Scenario {
  const backlogBytes = pick(roll, [65_536, 262_144, 1_048_576]);
  const rounds: Round[] = Array.from({ length: roll(3) }, () => ({
    upTo: (1 + roll(100)) / 100,
    how: pick(roll, ["break", "takeover"]),
  }));
  rounds.push({ upTo: 1, how: pick(roll, ["finish", "break", "takeover", "stop", "silence"]) });
  const watchers = Array.from({ length: roll(7) }, (): PlannedWatcher => {
    const at = roll(3) === 0 ? 0 : roll(100 * rounds.length) / 100;
    return {
      at,
      start: pick(roll, ["join", "next", "live", "back"]),
      takesBytes: pick(roll, [0, 1, size(roll, 100_000), size(roll, 500_000)]),
      slowPolicy: roll(5) === 0 ? "close" : "skip",
      ...(roll(4) === 0 ? { leavesAt: at + roll(100) / 100 } : {}),
    };
  });
  watchers.push({ at: 0, start: "join", takesBytes: 0, slowPolicy: "skip" });
  return { backlogBytes, ms: pick(roll, [0, 5, 40, 300]), rounds, watchers };
}

/** The ways in which a stream is given to the code: whole, in pieces, again and again, through channels. */
function ways(roll: Roll): Way[] {
  const seed = 1 + roll(2 ** 30);
  return [
    { pieceBytes: maxPieceBytes, seed: 0, again: 1 },
    { pieceBytes: size(roll, maxPieceBytes) + 1, seed, again: 1 },
    { pieceBytes: pick(roll, [16_384, 65_536, 262_144]), seed, again: 8 },
    {
      pieceBytes: maxPieceBytes,
      seed: 0,
      again: 1,
      scenario: { ...scenario(roll), rounds: [{ upTo: 1, how: "finish" }] },
    },
    {
      pieceBytes: pick(roll, [size(roll, maxPieceBytes) + 1, 65_536]),
      seed,
      again: 1,
      scenario: scenario(roll),
    },
    { pieceBytes: 1, seed: 0, again: 1 },
    {
      pieceBytes: 16_384,
      seed,
      again: 8,
      scenario: { ...scenario(roll), rounds: [{ upTo: 1, how: "stop" }] },
    },
  ];
}

/**
 * The streams of a container and the ways to feed them, for the `index`th draw: each pattern in turn, then each again, and
 * real streams, damaged, in between; `pattern` limits it to those with that in their names.
 */
export function draw(
  container: string,
  index: number,
  roll: Roll,
  pattern = "",
): { name: string; parts: readonly Part[]; ways: Way[] } {
  const family = familyOf(container);
  const names = Object.keys(family.patterns).filter((known) => known.includes(pattern));
  const turn = index % (names.length + (pattern === "" ? 2 : 0));
  const name = names[turn] ?? "a real stream, damaged";
  const parts = family.patterns[name]?.(roll) ?? mutated(family, roll);
  // now and then a hostile stream has a real one's beginning, or is cut off
  const spliced = turn < names.length && roll(8) === 0 ? [...mutated(family, roll), ...parts] : parts;
  return { name, parts: spliced, ways: ways(roll) };
}
