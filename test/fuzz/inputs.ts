// Draws inputs for all that reads bytes of others (target.ts), in turns, and keeps those with which something is wrong: made smaller, in
// test/fixtures/inputs/TARGET, where a test replays them.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dice } from "../protocol/dice.ts";
import { http, protocol } from "./connectiontargets.ts";
import { fileTargets } from "./filetargets.ts";
import type { Target } from "./target.ts";

/** An input that is kept is cut in so many ways. */
const replays = 8;
/** Inputs of a target in a row. */
const inARow = 50;
/** More lines of one kind say nothing new. */
const maxFindings = 20;
const folder = join(import.meta.dir, "../fixtures/inputs");

export const targets: readonly Target[] = [http, protocol, ...fileTargets];

export interface InputOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Of these names; all if left out. */
  readonly only?: readonly string[];
  /** How long each finding may be made smaller, to be kept; 0: it is only reported. Seconds. */
  readonly shrinkSeconds: number;
  readonly report: (line: string) => void;
}

export interface InputFinding {
  readonly target: string;
  readonly seed: number;
  readonly fault: string;
}

/** Looks until time is used up. */
export async function searchInputs(options: InputOptions, all = targets): Promise<InputFinding[]> {
  const { seed, seconds, only, report } = options;
  const chosen = all.filter(({ name }) => only?.includes(name) ?? true);
  const untilMs = performance.now() + seconds * 1000;
  const found = new Map<string, InputFinding>();
  let inputs = 0;
  for (let turn = 0; performance.now() < untilMs && found.size < maxFindings; turn++) {
    const target = chosen[turn % chosen.length];
    const first = seed * 1_000_003 + Math.floor(turn / chosen.length) * inARow;
    for (let each = first; each < first + inARow && performance.now() < untilMs; each++) {
      inputs++;
      const roll = dice(each);
      const bytes = target.draw(roll);
      const fault = await target.fault(bytes, roll);
      if (fault === undefined) continue;
      const key = `${target.name}: ${kindOf(fault)}`;
      if (found.has(key)) continue;
      found.set(key, { target: target.name, seed: each, fault });
      report(`FOUND ${target.name}, seed ${each}: ${fault}`);
      if (options.shrinkSeconds > 0) await keep(target, bytes, kindOf(fault), options);
    }
  }
  report(`${inputs} inputs of ${chosen.map(({ name }) => name).join(", ")}: ${found.size} found`);
  return [...found.values()];
}

/** What two faults of one kind have in common. */
function kindOf(fault: string): string {
  return fault.replaceAll(/\d+/g, "N").slice(0, 60);
}

async function keep(target: Target, bytes: Uint8Array, kind: string, options: InputOptions): Promise<void> {
  const finds = async (smaller: Uint8Array) => {
    const fault = await replay(target, smaller);
    return fault !== undefined && kindOf(fault) === kind;
  };
  // How it was cut may matter even so.
  const least = (await finds(bytes)) ? await shrink(bytes, finds, options.shrinkSeconds) : bytes;
  const name = `${new Bun.CryptoHasher("sha1").update(least).digest("hex").slice(0, 12)}.${target.ending}`;
  mkdirSync(join(folder, target.name), { recursive: true });
  writeFileSync(join(folder, target.name, name), least);
  options.report(`kept ${target.name}/${name}, ${least.length} bytes`);
}

/** Leaves out what need not be there, in ever smaller pieces. */
async function shrink(
  bytes: Uint8Array,
  finds: (smaller: Uint8Array) => Promise<boolean>,
  seconds: number,
): Promise<Uint8Array> {
  const untilMs = performance.now() + seconds * 1000;
  let best = Buffer.from(bytes);
  for (let size = best.length >> 1; size > 0; size >>= 1) {
    for (let at = 0; at < best.length; ) {
      if (performance.now() > untilMs) return best;
      const smaller = Buffer.concat([best.subarray(0, at), best.subarray(at + size)]);
      if (await finds(smaller)) best = smaller;
      else at += size;
    }
  }
  return best;
}

/** The inputs that are kept of a target, by name. */
export function keptInputs({ name }: Target): Map<string, Uint8Array> {
  const place = join(folder, name);
  const names = existsSync(place) ? readdirSync(place).sort() : [];
  return new Map(names.map((each) => [each, readFileSync(join(place, each))]));
}

/** Whether an input that is kept is still wrong. */
export async function replay(target: Target, bytes: Uint8Array): Promise<string | undefined> {
  for (let seed = 0; seed < replays; seed++) {
    const fault = await target.fault(bytes, dice(seed));
    if (fault !== undefined) return fault;
  }
  return undefined;
}
