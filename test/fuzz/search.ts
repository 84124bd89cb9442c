// Draws case after case, and has each examined. Containers take turns, and so do the patterns of each.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { dice } from "../protocol/dice.ts";
import { caseOf } from "./batch.ts";
import { type Case, draw } from "./cases.ts";
import type { Finding, Kind } from "./examine.ts";
import { Examiner } from "./examiner.ts";
import { families } from "./families.ts";
import type { Part } from "./parts.ts";
import { shrink } from "./shrink.ts";

export interface Options {
  readonly seed: number;
  /** The number of the first stream made by structure: a finding says which one shows it. */
  readonly from?: number;
  readonly seconds: number;
  /** Streams, each of which is given to the code in several ways. */
  readonly cases: number;
  /** Only this one; all if left out. */
  readonly container: string | undefined;
  /** Only hostile streams with that in their names. */
  readonly pattern?: string;
  readonly slack: number;
  /** How long a finding may be made smaller, to be written down; 0: it is only reported. */
  readonly shrinkSeconds: number;
  readonly report: (line: string) => void;
}

/** Something found, and what finds it. */
export interface Found {
  readonly name: string;
  readonly finding: Finding;
  readonly given: Case;
}

const all: readonly Kind[] = ["piece", "stream", "growth", "held", "left", "peak", "rule", "throw", "hang"];

/** Where findings are kept. */
export const hostile = join(import.meta.dir, "../fixtures/hostile");

/** Looks for findings until time or cases are used up. */
export async function search(options: Options): Promise<Found[]> {
  const { report, seed } = options;
  const names = options.container === undefined ? families.map(({ name }) => name) : [options.container];
  const untilMs = performance.now() + options.seconds * 1000;
  const examiner = new Examiner(options.slack);
  const found = new Map<string, Found>();
  let known = 0;
  let streams = 0;
  let bytes = 0;
  for (; streams < options.cases && performance.now() < untilMs; streams++) {
    const number = (options.from ?? 0) + streams;
    const container = names[number % names.length];
    const index = Math.floor(number / names.length);
    const { name, parts, ways } = draw(container, index, dice(seed * 1_000_003 + number), options.pattern);
    const settled = new Set<string>();
    for (const way of ways) {
      if (performance.now() > untilMs) break;
      const given: Case = { container, parts, ...way };
      const level = way.scenario === undefined ? "alone" : "relay";
      const where = (kind: Kind) => `${container}, ${name}: ${kind}, ${level}`;
      // what takes long to find out is known by now
      if (settled.has(level) || found.has(where("hang"))) continue;
      const verdict = await examiner.examine(
        given,
        all.filter((kind) => found.has(where(kind))),
      );
      bytes += verdict.bytes;
      if (verdict.container === container) known++;
      for (const finding of verdict.findings) {
        const key = where(finding.kind);
        if (finding.value > 20 * finding.bound) settled.add(level);
        if (found.has(key)) continue;
        report(`FOUND ${key}: ${finding.text} (case ${number}, seed ${seed})`);
        found.set(key, { name, finding, given });
      }
    }
    if (streams % 20 === 19)
      report(
        `${streams + 1} streams, ${(bytes / 1e6).toFixed(0)} MB, ${known} runs known as what they are, ${found.size} found`,
      );
  }
  examiner.stop();
  const confirmed = await settle(found, options);
  report(
    `${streams} streams, ${(bytes / 1e6).toFixed(0)} MB, ${known} runs known as what they are: ${confirmed.length} found`,
  );
  return confirmed;
}

/** Streams of a container that are tried in a row. */
const batchStreams = 50;

/**
 * The same with real streams whose bytes were changed (bytes.ts), many more of them; what looks wrong is examined as the
 * others are.
 */
export async function searchBytes(options: Options): Promise<Found[]> {
  const { report } = options;
  const names = options.container === undefined ? families.map(({ name }) => name) : [options.container];
  const untilMs = performance.now() + options.seconds * 1000;
  const examiner = new Examiner(options.slack);
  const found = new Map<string, Found>();
  let streams = 0;
  for (let turn = 0; streams < options.cases && performance.now() < untilMs; turn++) {
    const container = names[turn % names.length];
    const seed = options.seed * 1_000_003 + turn * batchStreams;
    for (const suspect of await examiner.suspects({ container, seed, count: batchStreams })) {
      const given = caseOf(container, suspect);
      for (const finding of (await examiner.examine(given)).findings) {
        const key = `${container}: ${finding.kind}`;
        if (found.has(key)) continue;
        report(`FOUND ${key}: ${finding.text} (changed bytes, seed ${suspect})`);
        found.set(key, { name: "changed bytes", finding, given });
      }
    }
    streams += batchStreams;
  }
  examiner.stop();
  const confirmed = await settle(found, options);
  report(`${streams} streams with changed bytes: ${confirmed.length} found`);
  return confirmed;
}

/** Times that a process of its own looks again at what took too long. */
const moreLooks = 3;

/**
 * What is too much also when it is looked at again, in the order in which it was found; written down where that is wanted. What
 * took too long is looked at in new processes: the machine may have been busy with something else for minutes.
 */
async function settle(found: ReadonlyMap<string, Found>, options: Options): Promise<Found[]> {
  const confirmed: Found[] = [];
  for (const [key, each] of found) {
    if (classOf(each.finding) !== "time" || (await isFoundAgain(each, options.slack))) confirmed.push(each);
    else options.report(`not again: ${key}`);
  }
  if (options.shrinkSeconds === 0) return confirmed;
  const examiner = new Examiner(options.slack);
  for (const each of distinct(confirmed)) await keep(each, examiner, options);
  examiner.stop();
  return confirmed;
}

async function isFoundAgain({ given, finding }: Found, slack: number): Promise<boolean> {
  for (let look = 0; look < moreLooks; look++) {
    const examiner = new Examiner(slack);
    const { findings } = await examiner.examine(given);
    examiner.stop();
    if (!findings.some(({ kind }) => kind === finding.kind)) return false;
  }
  return true;
}

function classOf({ kind }: Finding): "time" | "memory" | "rule" | "throw" {
  if (kind === "piece" || kind === "stream" || kind === "growth" || kind === "hang") return "time";
  if (kind === "rule" || kind === "throw") return kind;
  return "memory";
}

/** Whether it is so much too much that a test with bounds for a busy machine can tell. */
function isPlain(finding: Finding): boolean {
  const least = { time: 8, memory: 2, rule: 0, throw: 0 };
  return finding.value > (finding.kind === "growth" ? 1.6 : least[classOf(finding)]) * finding.bound;
}

/** One plain finding for each pattern and class; of the detectors alone where there is one. */
function distinct(found: Iterable<Found>): Found[] {
  const classes = new Map<string, Found>();
  for (const each of found) {
    const key = `${each.given.container} ${each.name} ${classOf(each.finding)}`;
    if (!classes.has(key) && isPlain(each.finding)) classes.set(key, each);
  }
  return [...classes.values()];
}

/** Makes a finding smaller and writes it down. */
async function keep({ given, finding, name }: Found, examiner: Examiner, options: Options): Promise<void> {
  // so much too much that a test with wide bounds sees it too
  const finds = async (smaller: Case) => {
    const { findings } = await examiner.examine(smaller);
    return findings.some((other) => classOf(other) === classOf(finding) && isPlain(other));
  };
  const least = await shrink(given, finds, performance.now() + options.shrinkSeconds * 1000);
  const { findings } = await examiner.examine(least);
  const again = findings.find((other) => classOf(other) === classOf(finding));
  const text = again?.text ?? finding.text;
  const level = least.scenario === undefined ? "detector" : "relay";
  const file = `${given.container}-${kinds(least.parts).join("-")}-${classOf(finding)}-${level}.json`;
  mkdirSync(hostile, { recursive: true });
  await Bun.write(
    join(hostile, file),
    `${JSON.stringify({ name, found: text, given: least }, undefined, 1)}\n`,
  );
  options.report(`kept ${file}: ${text}`);
}

/** The kinds of a stream's parts, the last few of them: what a file is named for. */
function kinds(parts: readonly Part[]): string[] {
  const all = new Set<string>();
  const walk = (inside: readonly Part[]) => {
    for (const part of inside) {
      if (part.is !== "group") all.add(part.is);
      walk(part.of ?? []);
    }
  };
  walk(parts);
  return [...all].slice(-4);
}
