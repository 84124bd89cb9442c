// The benchmark: fstream beside a reference in C and Icecast, in one run on one machine. See docs/benchmarks.md.
//
//   scripts/bench [--quick] [--only NAME]... [--peer NAME]... [--rounds N] [--json FILE] [--docs] [--check] [--list]
//
//   --quick       a first look, in less than two minutes; without nginx-rtmp and SRS as it is not by default
//   --only NAME   only what is so called (see --list); may be given several times
//   --peer NAME   only that server of each fan-out; may be given several times
//   --rounds N    how often everything is measured; what counts is the median (3; 1 with --quick)
//   --json FILE   writes all that was measured
//   --docs        writes docs/benchmarks.md and docs/benchmarks.svg
//   --check       only what is compared with the reference; exits 1 if a ratio is beyond its wide margin
//
// Servers run on one CPU, the load on another, and within a round they take turns.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makeFlv } from "./flv.ts";
import { flowing, neverReading, waitingOnes } from "./memory.ts";
import { page } from "./page.ts";
import type { PeerName } from "./peers.ts";
import { pipes } from "./pipes.ts";
import { plot } from "./plot.ts";
import { machine, openFileLimit } from "./probe.ts";
import { cpus, say, start } from "./process.ts";
import { fanOutTable, figureTable, loadWarnings, verdictTable } from "./report.ts";
import { newResults, type Results } from "./results.ts";
import { fanOut } from "./rounds.ts";
import type { Tools } from "./running.ts";
import { starts } from "./starts.ts";
import { checkedWorks, judge } from "./targets.ts";
import { type Work, works } from "./work.ts";

const options = {
  quick: { type: "boolean", default: false },
  only: { type: "string", multiple: true },
  peer: { type: "string", multiple: true },
  rounds: { type: "string" },
  json: { type: "string" },
  docs: { type: "boolean", default: false },
  check: { type: "boolean", default: false },
  list: { type: "boolean", default: false },
} as const;

function flagsOf() {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return refuse((error as Error).message);
  }
}

function refuse(why: string): never {
  console.error(`error: ${why}; what there is, is explained in test/bench/bench.ts`);
  process.exit(2);
}

const flags = flagsOf();
if (flags.rounds !== undefined && !/^[1-9]\d*$/.test(flags.rounds))
  refuse("--rounds must be a number from 1 on");

/** A part of the benchmark that is no fan-out. */
interface Part {
  readonly name: string;
  readonly quick?: boolean;
  /** Measured once, whatever `--rounds` says: it takes long, or has its own repetitions. */
  readonly once?: boolean;
  run(tools: Tools, results: Results): Promise<void>;
}

const parts: readonly Part[] = [
  {
    name: "memory",
    once: true,
    run: (tools, results) => forEach(["fstream", "C", "icecast"], tools, results, flowing),
  },
  {
    name: "silent",
    run: (tools, results) =>
      forEach(["fstream", "fstream-get", "fstream-tls", "fstream-https", "C"], tools, results, neverReading),
  },
  {
    name: "waiting",
    run: (tools, results) => forEach(["fstream", "C"], tools, results, waitingOnes),
  },
  {
    name: "pipes",
    run: async (tools, results) => {
      for (const way of ["socat", "clients", "fstream"] as const) await pipes(tools, way, results);
    },
  },
  { name: "start", quick: true, once: true, run: starts },
  { name: "detectors", once: true, run: detectors },
];

async function forEach(
  peers: readonly PeerName[],
  tools: Tools,
  results: Results,
  run: (tools: Tools, peer: PeerName, results: Results) => Promise<void>,
): Promise<void> {
  for (const peer of peers) if (absence(peer, tools) === undefined) await run(tools, peer, results);
}

async function detectors(_tools: Tools, results: Results): Promise<void> {
  const run = start([process.execPath, join(import.meta.dir, "detectors.ts")]);
  results.detectors = await new Response(run.stdout).text();
}

/** Why a peer can't run; undefined if it can. */
function absence(peer: PeerName, tools: Tools): string | undefined {
  if (/-(tls|https)$/.test(peer) && process.env.BENCH_TLS === "") return "libssl-dev is not installed";
  if (peer === "nginx-rtmp" && tools.nginx === undefined) return "it could not be had";
  if (peer.startsWith("srs") && tools.srs === undefined) return "SRS= names no binary";
  if (peer === "mediamtx" && tools.mediamtx === undefined) return "MEDIAMTX= names no binary";
  return peer.startsWith("icecast") && tools.icecast === undefined ? "it is not installed" : undefined;
}

function chosen({ name, quick }: { readonly name: string; readonly quick?: boolean }): boolean {
  if (flags.only !== undefined) return flags.only.includes(name);
  if (flags.check) return checkedWorks.has(name);
  return !flags.quick || quick === true;
}

function peersOf(work: Work): readonly PeerName[] {
  const compared = flags.check
    ? work.peers.filter((peer) => peer === "C" || peer.startsWith("fstream"))
    : work.peers.filter((peer) => flags.peer?.includes(peer) ?? true);
  return compared.filter((peer) => !(flags.quick && slow.has(peer)));
}

/** What a first look does without. */
const slow: ReadonlySet<PeerName> = new Set(["nginx-rtmp", "srs-20", "srs-0"]);

/** One round of one fan-out: each peer has its turn. */
async function roundOf(work: Work, tools: Tools, flv: string, results: Results): Promise<void> {
  for (const peer of peersOf(work)) {
    const why = absence(peer, tools);
    if (why === undefined) await fanOut(work, peer, tools, { flv, quick: flags.quick }, results);
    else results.absent[peer] = why;
  }
}

function preface(results: Results, tools: Tools): void {
  if (cpus.length < 2) results.warnings.push("there is but one CPU: the load and the server share it");
  if (process.env.BENCH_TLS === "") results.leftOut.push("TLS: libssl-dev is not installed");
  if (tools.icecast === undefined) results.leftOut.push("Icecast: it is not installed");
  if (tools.nginx === undefined) results.leftOut.push("nginx-rtmp: it could not be had");
  if (tools.srs === undefined) results.leftOut.push("SRS: set SRS to its binary");
  if (tools.mediamtx === undefined) results.leftOut.push("MediaMTX: set MEDIAMTX to its binary");
  results.leftOut.push(
    "nginx-rtmp, SRS and MediaMTX with blocks or over TLS: they relay media, not arbitrary bytes",
    "a reference in C over TLS",
  );
}

const { FSTREAM_BIN, BENCH_TOOLS, BENCH_ICECAST, BENCH_NGINX, BENCH_RTMP_MODULE, SRS, MEDIAMTX } =
  process.env;
if (FSTREAM_BIN === undefined || BENCH_TOOLS === undefined) {
  console.error("error: start it with scripts/bench, which builds what it needs");
  process.exit(2);
}
if (flags.list) {
  for (const { name } of [...works, ...parts]) console.log(name);
  process.exit(0);
}
const known = new Set([...works, ...parts].map(({ name }) => name));
const unknown = (flags.only ?? []).filter((name) => !known.has(name));
if (unknown.length > 0) {
  console.error(`error: there is no ${unknown.join(", ")}; --list tells what there is`);
  process.exit(2);
}

const tools: Tools = {
  fstream: FSTREAM_BIN,
  fanout: join(BENCH_TOOLS, "fanout"),
  load: join(BENCH_TOOLS, "load"),
  icecast: BENCH_ICECAST === "" ? undefined : BENCH_ICECAST,
  nginx:
    BENCH_NGINX === undefined || BENCH_RTMP_MODULE === undefined
      ? undefined
      : { binary: BENCH_NGINX, rtmpModule: BENCH_RTMP_MODULE },
  srs: SRS === "" ? undefined : SRS,
  mediamtx: MEDIAMTX === "" ? undefined : MEDIAMTX,
};
const results = newResults(machine());
const rounds = Number(flags.rounds ?? (flags.quick ? 1 : 3));
const files = openFileLimit();
preface(results, tools);

const flv = join(BENCH_TOOLS, "stream.flv");
const fanOuts = works.filter(chosen);
if (fanOuts.some(({ stream }) => stream === "flv")) await makeFlv(flv);
for (const work of fanOuts) {
  if (work.watchers + (work.joiners ?? 0) + 200 > files) {
    results.leftOut.push(`${work.name}: only ${files} files may be open here (ulimit -n)`);
    continue;
  }
  for (let round = 0; round < Math.max(1, rounds - (work.fewer ?? 0)); round++)
    await roundOf(work, tools, flv, results);
}
for (const part of parts.filter(chosen)) {
  say(part.name);
  if (part.name === "waiting" && files < 10_200) {
    results.leftOut.push(`waiting: only ${files} files may be open here (ulimit -n)`);
    continue;
  }
  for (let round = 0; round < (part.once === true ? 1 : rounds); round++) {
    try {
      await part.run(tools, results);
    } catch (error) {
      results.warnings.push(`${part.name}: ${(error as Error).message}`);
    }
  }
}

results.warnings.push(...loadWarnings(results));
const verdicts = judge(results, flags.check);
console.log(`${results.machine}; ${results.date}\n`);
if (Object.keys(results.fanOuts).length > 0) console.log(`${fanOutTable(results)}\n`);
if (Object.keys(results.figures).length > 0) console.log(`${figureTable(results)}\n`);
if (results.detectors !== "") console.log(`Detectors, MB/s of one core:\n${results.detectors}`);
if (verdicts.length > 0) console.log(verdictTable(verdicts));
for (const words of results.warnings) console.log(`warning: ${words}`);
for (const words of results.leftOut) console.log(`left out: ${words}`);
if (flags.json !== undefined)
  writeFileSync(flags.json, `${JSON.stringify({ ...results, verdicts }, null, 2)}\n`);
if (flags.docs) {
  const picture = plot(results);
  if (picture !== undefined) writeFileSync("docs/benchmarks.svg", picture);
  writeFileSync("docs/benchmarks.md", page(results, verdicts, picture !== undefined));
}
process.exit(flags.check && verdicts.some(({ met }) => !met) ? 1 : 0);
