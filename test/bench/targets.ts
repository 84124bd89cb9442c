// What fstream is to reach, most of it as ratios within one run; and for `--check` the same with margins so wide that only a
// change for the worse misses them, not a busy machine.

import type { Measured } from "./load.ts";
import { flowingName, silentName, silentOtherName, waitingName } from "./memory.ts";
import type { PeerName } from "./peers.ts";
import { pipesName } from "./pipes.ts";
import { allDelivered, figureOf, plainFigure, type Results, ratioOf } from "./results.ts";
import { serveName, versionName } from "./starts.ts";

interface Target {
  readonly work: string;
  readonly what: string;
  readonly atMost?: number;
  readonly atLeast?: number;
  /** The bound that `--check` holds; without one it is not checked. */
  readonly checked?: number;
  readonly unit?: string;
  readonly value: (results: Results) => number | undefined;
}

export interface Verdict {
  readonly work: string;
  readonly what: string;
  readonly bound: string;
  readonly value: number;
  readonly unit: string;
  readonly met: boolean;
}

const cpu = (measured: Measured) => measured.cpuPerGb;
const delay = (measured: Measured) => measured.delayMedianMs;
const gigabits = (measured: Measured) => measured.gigabits;

function ratio(
  work: string,
  of: (measured: Measured) => number,
  to: PeerName,
  ours: PeerName = "fstream",
): (results: Results) => number | undefined {
  return (results) => ratioOf(results, work, [ours, to], of);
}

/** 1 if every watcher got every byte of every round. */
function delivered(work: string): (results: Results) => number | undefined {
  return (results) => {
    const rounds = results.fanOuts[work]?.fstream;
    return rounds === undefined ? undefined : Number(allDelivered(rounds));
  };
}

function pipeRatio(way: string): (results: Results) => number | undefined {
  return (results) => {
    const ours = plainFigure(results, pipesName, way);
    const theirs = plainFigure(results, pipesName, "socat");
    return ours === undefined || theirs === undefined ? undefined : ours / theirs;
  };
}

/** To Icecast where it keeps up: where its watchers get what is sent. */
function keepingUp(work: string, ours: PeerName = "fstream"): (results: Results) => number | undefined {
  return (results) => {
    const kept = figureOf(results, work, "icecast", (measured) => measured.delivered) ?? 0;
    return kept < 0.98 ? undefined : ratioOf(results, work, [ours, "icecast"], cpu);
  };
}

function delay99(work: string): (results: Results) => number | undefined {
  return (results) => figureOf(results, work, "fstream", (measured) => measured.delay99Ms);
}

const everyByte = { what: "every byte delivered (1: yes)", atLeast: 1 };

/** CPU/GB of many channels, to Icecast's: as it comes, and with `min_delay = "350ms"`. */
function crowded(work: string, atMost: number): Target[] {
  return [
    { work, what: "CPU/GB to Icecast's", atMost, value: keepingUp(work) },
    { work, what: 'the same with min_delay = "350ms"', atMost: 0.4, value: keepingUp(work, "fstream-350") },
    { work, ...everyByte, value: delivered(work) },
  ];
}

/** CPU/GB of a crowd that watches an FLV with `min_delay = "350ms"`, to that of SRS, which gathers as long. */
function flvBesideSrs(work: string): Target {
  const what = 'CPU/GB with min_delay = "350ms" to SRS\'s as it comes';
  return { work, what, atMost: 0.6, value: ratio(work, cpu, "srs", "fstream-350") };
}

const targets: readonly Target[] = [
  { work: "500x4", what: "CPU/GB to Icecast's", atMost: 0.4, value: ratio("500x4", cpu, "icecast") },
  { work: "500x4", what: "CPU/GB to C's", atMost: 0.4, checked: 0.65, value: ratio("500x4", cpu, "C") },
  {
    work: "500x4",
    what: "99th percentile of delay",
    atMost: 40,
    checked: 80,
    unit: "ms",
    value: delay99("500x4"),
  },
  { work: "1000x4", what: "CPU/GB to C's", atMost: 0.45, checked: 0.7, value: ratio("1000x4", cpu, "C") },
  { work: "1000x4", ...everyByte, checked: 1, value: delivered("1000x4") },
  { work: "10x4", what: "CPU/GB to C's", atMost: 1.25, value: ratio("10x4", cpu, "C") },
  { work: "50x4", what: "CPU/GB to C's", atMost: 1.25, value: ratio("50x4", cpu, "C") },
  ...crowded("200x5x1000", 0.65),
  {
    work: "200x5x1000",
    what: "99th percentile of delay",
    atMost: 60,
    unit: "ms",
    value: delay99("200x5x1000"),
  },
  ...crowded("1000x5x128", 0.92),
  ...crowded("1000x1x500", 0.92),
  {
    work: "3x2x4000",
    what: "99th percentile of delay",
    atMost: 3,
    unit: "ms",
    value: delay99("3x2x4000"),
  },
  { work: "10x400", what: "CPU/GB to C's", atMost: 1.3, checked: 1.8, value: ratio("10x400", cpu, "C") },
  {
    work: "10x400",
    what: "median delay to C's",
    atMost: 1.3,
    checked: 3,
    value: ratio("10x400", delay, "C"),
  },
  {
    work: "1000x30",
    what: "throughput to C's",
    atLeast: 0.97,
    checked: 0.8,
    value: ratio("1000x30", gigabits, "C"),
  },
  { work: "flv1000", what: "CPU/GB to C's", atMost: 1.1, checked: 1.5, value: ratio("flv1000", cpu, "C") },
  {
    work: "flv1000",
    what: "CPU/GB to Icecast's, if that keeps up",
    atMost: 0.45,
    value: keepingUp("flv1000"),
  },
  ...["flv500", "flv1000", "flv2000"].map(flvBesideSrs),
  {
    work: "http500x4",
    what: "CPU/GB of GET on listen to raw",
    atMost: 1.05,
    checked: 1.3,
    value: ratio("http500x4", cpu, "fstream", "fstream-get"),
  },
  {
    work: "http500x4",
    what: "CPU/GB of GET on http_listen to raw",
    atMost: 1.6,
    checked: 1.6,
    value: ratio("http500x4", cpu, "fstream", "fstream-http"),
  },
  {
    work: "http500x4",
    what: "CPU/GB of WebSockets to raw",
    atMost: 1.25,
    checked: 1.6,
    value: ratio("http500x4", cpu, "fstream", "fstream-socket"),
  },
  {
    work: "https500x4",
    what: "CPU/GB of HTTPS to raw TLS",
    atMost: 1.6,
    checked: 1.6,
    value: ratio("https500x4", cpu, "fstream-tls", "fstream-https"),
  },
  { work: "one", what: "throughput to C's", atLeast: 0.8, checked: 0.6, value: ratio("one", gigabits, "C") },
  {
    work: "memory",
    what: "process, 1000 × 4, without the backlog",
    atMost: 67.1,
    unit: "MB",
    value: (results) => plainFigure(results, flowingName, "fstream"),
  },
  {
    work: "silent",
    what: "process and kernel for each of 500",
    atMost: 256,
    unit: "KiB",
    value: (results) => plainFigure(results, silentName, "fstream"),
  },
  {
    work: "silent",
    what: "the same over HTTP",
    atMost: 256,
    unit: "KiB",
    value: (results) => plainFigure(results, silentName, "fstream-get"),
  },
  {
    work: "silent",
    what: "the active reader gets every byte (1: yes)",
    atLeast: 1,
    value: (results) => plainFigure(results, silentOtherName, "fstream"),
  },
  {
    work: "silent",
    what: "the same over HTTP",
    atLeast: 1,
    value: (results) => plainFigure(results, silentOtherName, "fstream-get"),
  },
  { work: "10000x0.128", ...everyByte, value: delivered("10000x0.128") },
  {
    work: "waiting",
    what: "process for each of 10,000",
    atMost: 4.096,
    unit: "KB",
    value: (results) => plainFigure(results, waitingName, "fstream"),
  },
  {
    work: "pipes",
    what: "clients through a socat relay, to socat's",
    atLeast: 0.8,
    value: pipeRatio("clients"),
  },
  { work: "pipes", what: "all of fstream, to socat's", atLeast: 0.8, value: pipeRatio("fstream") },
  {
    work: "start",
    what: "--version",
    atMost: 25,
    unit: "ms",
    value: (results) => plainFigure(results, versionName, "fstream"),
  },
  {
    work: "start",
    what: "until serve listens",
    atMost: 150,
    unit: "ms",
    value: (results) => plainFigure(results, serveName, "fstream"),
  },
];

/** What can be judged of what was measured; with `margins` only what `--check` holds, to its bounds. */
export function judge(results: Results, margins: boolean): Verdict[] {
  return targets.flatMap(({ work, what, atMost, atLeast, checked, unit = "", value }) => {
    const measured = value(results);
    const wanted = margins ? checked : (atMost ?? atLeast);
    if (measured === undefined || wanted === undefined) return [];
    const met = atMost === undefined ? measured >= wanted : measured <= wanted;
    const bound = `${atMost === undefined ? "≥" : "≤"} ${wanted}`;
    return [{ work, what, bound, value: measured, unit, met }];
  });
}

/** The works that `--check` needs. */
export const checkedWorks = new Set(
  targets.filter(({ checked }) => checked !== undefined).map(({ work }) => work),
);
