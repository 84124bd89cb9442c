// Makes a case that has found something smaller, part by part and number by number, for as long as it still finds that.

import type { Case, Scene } from "./cases.ts";
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

/** Simpler scenes. */
function* simpler(scene: Scene): Generator<Scene> {
  for (let i = 0; i < scene.viewers.length; i++) yield { ...scene, viewers: scene.viewers.toSpliced(i, 1) };
  for (let i = 0; i < scene.rounds.length - 1; i++) yield { ...scene, rounds: scene.rounds.toSpliced(i, 1) };
  const last = scene.rounds.length - 1;
  if (scene.rounds[last].how !== "finish")
    yield { ...scene, rounds: scene.rounds.with(last, { upTo: 1, how: "finish" }) };
  if (scene.backlogBytes > 65_536) yield { ...scene, backlogBytes: 65_536 };
  if (scene.ms > 0) yield { ...scene, ms: 0 };
}

function* smaller(given: Case): Generator<Case> {
  if (given.scene !== undefined) {
    const { scene, ...alone } = given;
    yield alone;
    for (const other of simpler(scene)) yield { ...given, scene: other };
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
