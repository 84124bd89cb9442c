// Makes a case that has found something smaller, part by part and number by number, for as long as it still finds that.

import type { Case, Scenario } from "./cases.ts";
import type { Part } from "./parts.ts";

/** Whether a smaller case still finds the same. */
export type Finds = (given: Case) => Promise<boolean>;

/** Parts with some left out: halves, quarters, each one. */
function* fewer(parts: readonly Part[]): Generator<Part[]> {
  for (let length = parts.length; length >= 1; length = Math.floor(length / 2)) {
    for (let from = 0; from < parts.length; from += length) {
      if (parts.length > length || length === 1)
        yield [...parts.slice(0, from), ...parts.slice(from + length)];
    }
    if (parts.length > 64 && length < parts.length / 16) return;
  }
}

const kept = new Set(["from", "name", "seed", "id", "first", "type", "flags"]);

/** Smaller versions of one part. */
function* lesser(part: Part): Generator<Part> {
  for (const [field, value] of Object.entries(part)) {
    if (typeof value !== "number" || value <= (field === "times" ? 1 : 0) || kept.has(field)) continue;
    yield { ...part, [field]: field === "times" ? 1 : 0 };
    for (const share of [0.1, 0.5, 0.8]) {
      const smaller = Math.floor(value * share);
      if (smaller > (field === "times" ? 1 : 0)) yield { ...part, [field]: smaller };
    }
  }
  const { of } = part;
  if (of === undefined) return;
  for (const inside of fewer(of)) yield { ...part, of: inside };
  for (let i = 0; i < Math.min(of.length, 12); i++) {
    for (const child of lesser(of[i])) yield { ...part, of: of.with(i, child) };
  }
}

/** Simpler scenarios. */
function* simpler(scenario: Scenario): Generator<Scenario> {
  for (let i = 0; i < scenario.watchers.length; i++)
    yield { ...scenario, watchers: scenario.watchers.toSpliced(i, 1) };
  for (let i = 0; i < scenario.rounds.length - 1; i++)
    yield { ...scenario, rounds: scenario.rounds.toSpliced(i, 1) };
  const last = scenario.rounds.length - 1;
  if (scenario.rounds[last].how !== "finish")
    yield { ...scenario, rounds: scenario.rounds.with(last, { upTo: 1, how: "finish" }) };
  if (scenario.backlogBytes > 65_536) yield { ...scenario, backlogBytes: 65_536 };
  if (scenario.ms > 0) yield { ...scenario, ms: 0 };
}

function* smaller(given: Case): Generator<Case> {
  if (given.scenario !== undefined) {
    const { scenario, ...alone } = given;
    yield alone;
    for (const other of simpler(scenario)) yield { ...given, scenario: other };
  }
  if (given.again > 8) yield { ...given, again: 8 };
  for (const parts of fewer(given.parts)) yield { ...given, parts };
  for (let i = 0; i < Math.min(given.parts.length, 40); i++) {
    for (const part of lesser(given.parts[i])) yield { ...given, parts: given.parts.with(i, part) };
  }
  if (given.seed !== 0) yield { ...given, seed: 0 };
}

/** The smallest case found by `untilMs` that still finds the same. */
export async function shrink(given: Case, finds: Finds, untilMs: number): Promise<Case> {
  let best = given;
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false;
    for (const candidate of smaller(best)) {
      if (performance.now() > untilMs) return best;
      if (!(await finds(candidate))) continue;
      best = candidate;
      isSmaller = true;
      break;
    }
  }
  return best;
}
