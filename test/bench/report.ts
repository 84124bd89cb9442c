// The results as tables: Markdown, which reads well on a terminal too.

import type { Measured } from "./load.ts";
import { gatherMs, type PeerName, peerNames } from "./peers.ts";
import { figureOf, median, type Results, ratioOf } from "./results.ts";
import type { Verdict } from "./targets.ts";
import { type Work, works } from "./work.ts";

/** A number with three digits that mean something. */
export function brief(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return "";
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  return value.toFixed(size >= 10 ? 1 : size >= 0.1 ? 2 : 3);
}

/** A Markdown table, its columns as wide as they need; the first is left-aligned, the others right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, 3, ...rows.map((row) => row[column].length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(" | ")} |`;
  const rule = widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [line(head), `| ${rule.join(" | ")} |`, ...rows.map(line)].join("\n");
}

/** What a peer's rounds have to be ashamed of. */
function blemishes(rounds: readonly Measured[], peer: PeerName): string {
  const kept = median(rounds.map(({ delivered }) => delivered));
  // What is gathered at the end may be more than what was at the beginning.
  const gathered = (gatherMs[peer] ?? 0) / 1000 / median(rounds.map(({ seconds }) => seconds));
  const words: string[] = [];
  if (rounds.every(({ checked }) => checked === 0)) words.push("counted, not checked");
  if (kept < 0.98 - gathered) words.push(`${(kept * 100).toFixed(0)} % delivered`);
  const most = (of: (measured: Measured) => number) => Math.max(...rounds.map(of));
  if (most(({ closed }) => closed) > 0) words.push(`${most(({ closed }) => closed)} closed`);
  if (most(({ unserved }) => unserved) > 0) words.push(`${most(({ unserved }) => unserved)} got nothing`);
  if (most(({ damages }) => damages) > 0) words.push("BYTES DAMAGED");
  if (most(({ rewritten }) => rewritten) > 0) words.push("frames written anew");
  if (most(({ gaps }) => gaps) > 0) words.push(`${median(rounds.map(({ gaps }) => gaps))} gaps`);
  else if (most(({ checked, watchers, complete }) => (checked > 0 ? watchers - complete : 0)) > 0)
    words.push("last bytes missing");
  return words.join(", ");
}

const fanOutHead =
  "work,server,CPU s/GB,to C,to Icecast,delay p50 ms,p99 ms,Gbit/s,first byte ms,RSS MB,remarks".split(",");

/** With the name by which `--only` measures it alone. */
function titled({ name, title }: Work): string {
  return `${title} (${name})`;
}

/** A peer that was to do the work and can't run here has nothing but the reason. */
function absentRow(results: Results, work: Work, peer: PeerName): string[][] {
  const why = results.absent[peer];
  if (why === undefined || !work.peers.includes(peer)) return [];
  return [fanOutHead.map((_, column) => (column === 1 ? peer : column === 10 ? `left out: ${why}` : ""))];
}

function fanOutRows(results: Results, work: Work): string[][] {
  const rounds = results.fanOuts[work.name] ?? {};
  const first = peerNames.find((peer) => rounds[peer] !== undefined);
  return peerNames.flatMap((peer) => {
    const measured = rounds[peer];
    if (measured === undefined) return first === undefined ? [] : absentRow(results, work, peer);
    const figure = (of: (measured: Measured) => number) => brief(figureOf(results, work.name, peer, of));
    const delay = (of: (measured: Measured) => number) =>
      measured.some(({ delays }) => delays > 0) ? figure(of) : "";
    const against = (other: PeerName) =>
      peer === "fstream" ? brief(ratioOf(results, work.name, [peer, other], (m) => m.cpuPerGb)) : "";
    return [
      [
        peer === first ? titled(work) : "",
        peer,
        figure((m) => m.cpuPerGb),
        against("C"),
        against("icecast"),
        delay((m) => m.delayMedianMs),
        delay((m) => m.delay99Ms),
        figure((m) => m.gigabits),
        work.joiners === undefined ? "" : figure((m) => m.firstByteMedianMs),
        figure((m) => m.residentBytes / 1e6),
        blemishes(measured, peer),
      ],
    ];
  });
}

/** Every fan-out, a line for each peer. */
export function fanOutTable(results: Results): string {
  return table(
    fanOutHead,
    works.flatMap((work) => fanOutRows(results, work)),
  );
}

/** Servers that people run; the reference in C and fstream with other settings are none. */
const rivals: readonly PeerName[] = ["fstream", "icecast", "nginx-rtmp", "srs", "srs-20", "mediamtx"];

/** Of each work that fstream and another server did, which server needs the least CPU, and which has the shortest delays. */
export function winnerTable(results: Results): string {
  const rows = works.flatMap((work) => {
    const { name } = work;
    const rounds = results.fanOuts[name] ?? {};
    const able = rivals.filter(
      (peer) => rounds[peer] !== undefined && median(rounds[peer].map(({ delivered }) => delivered)) > 0.9,
    );
    if (!able.includes("fstream") || able.length < 2) return [];
    const best = (of: (measured: Measured) => number) => {
      const figure = (peer: PeerName) => figureOf(results, name, peer, of) ?? Number.POSITIVE_INFINITY;
      const [winner, second] = able.toSorted((a, b) => figure(a) - figure(b));
      const other = winner === "fstream" ? second : "fstream";
      return `${winner} ${brief(figure(winner))}, ${other} ${brief(figure(other))}`;
    };
    return [[titled(work), best((measured) => measured.cpuPerGb), best((measured) => measured.delay99Ms)]];
  });
  return rows.length === 0 ? "" : table(["work", "least CPU s/GB", "shortest delay, p99 ms"], rows);
}

/** Above this share of its CPU the load may have been the bottleneck, and what it tells of delays is doubtful. */
const loadLimit = 0.9;

/** Where the load was at its limit, and how near to its own the server was. */
export function loadWarnings(results: Results): string[] {
  return Object.entries(results.fanOuts).flatMap(([work, peers]) =>
    Object.entries(peers).flatMap(([peer, rounds]) => {
      const share = (of: (measured: Measured) => number) => median(rounds.map(of));
      const load = share((measured) => measured.loadShare);
      if (load <= loadLimit) return [];
      const server = share((measured) => measured.serverShare);
      const [loadPercent, serverPercent] = [load, server].map((value) => (value * 100).toFixed(0));
      return `${work}, ${peer}: the load took ${loadPercent} % of its CPU, the server ${serverPercent} % of its own`;
    }),
  );
}

/** Everything else. */
export function figureTable(results: Results): string {
  const rows = Object.entries(results.figures).map(([name, figures]) => [
    name,
    Object.entries(figures)
      .map(([of, rounds]) => `${of} ${brief(median(rounds))}`)
      .join(" · "),
  ]);
  return table(["what", "median"], rows);
}

export function verdictTable(verdicts: readonly Verdict[]): string {
  return table(
    ["work", "what", "target", "measured", ""],
    verdicts.map(({ work, what, bound, value, unit, met }) => [
      work,
      // "CPU/GB to Icecast's"
      what.replace(/(?<!,) to (?=\S+'s\b)/, " relative to "),
      `${bound} ${unit}`.trim(),
      brief(value),
      met ? "met" : "MISSED",
    ]),
  );
}
