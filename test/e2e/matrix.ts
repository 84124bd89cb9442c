// The matrix that test/e2e/matrix prints: every encode of encodes.ts through the binary, joined, skipped and
// returned to at awkward moments, and judged by ffmpeg.
//
//   join    a watcher comes in the middle of something; three seconds of the stream later it has a capture
//   skip    a watcher stops reading until the server has skipped it, and goes on to the stream's end; one that was not
//           skipped, since what it missed fitted into the kernel's buffers, does not count
//   return  the broadcaster is cut off, at a unit's end or anywhere, another comes with another stream of the same settings
//
// A capture is clean if ffmpeg has not a word to say to it from its first byte on, its first picture is a keyframe, and there
// is at least 60 % of what a start on the spot would give. After a return, lines about timestamps are allowed:
// the encoder restarted them; and where the broadcaster was cut off inside a unit, lines about that unit. The streams are paced by
// what the server has passed on, not by time.

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Sniffer } from "../../src/media/sniffer.ts";
import { type Encode, encodes, make } from "./encodes.ts";
import { judge, type Verdict } from "./judge.ts";
import { TestServer, until } from "./program.ts";
import { Trickle } from "./trickle.ts";
import { behindHead, Feed, portOf, Viewer, type Way, watchRequest, ways } from "./viewer.ts";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    times: { type: "string", default: "6" },
    keep: { type: "string" },
    parts: { type: "string", default: "joins,skips,returns" },
    over: { type: "string", default: "tcp" },
  },
});
const times = Number(flags.times);
const way = wayOf(flags.over);
const store = join(tmpdir(), "fstream-matrix");
const captureSeconds = 3;
const framesPerSecond = 25;
const returnSeconds = 8;
const enough = 0.6;
/** So many bytes at the end of a capture tell that all has come: fewer may be stuffing. */
const tailBytes = 2048;
const aboutTimestamps = /\bdts\b|timestamp/i;

/** A stream, and where its detector says that it can be joined and cut. */
interface Stream {
  readonly bytes: Uint8Array;
  readonly joins: readonly number[];
  readonly units: readonly number[];
  readonly seconds: number;
}

async function load(encode: Encode, take: 1 | 2): Promise<Stream> {
  const seconds = take === 1 ? encode.seconds : returnSeconds;
  const path = join(store, `${encode.name}-${take}-${Bun.hash(JSON.stringify(encode)).toString(36)}`);
  if (!existsSync(path)) await Bun.write(path, await make(encode, take, seconds));
  const bytes = await Bun.file(path).bytes();
  const joins: number[] = [];
  const units: number[] = [];
  const sniffer = new Sniffer({
    header: () => undefined,
    join: (offset) => joins.push(offset),
    unit: (offset) => units.push(offset),
  });
  sniffer.feed(bytes, 0);
  // Where a detector reports no units of their own, every join point is a clean end.
  if (units.length === 0) units.push(...joins);
  units.push(bytes.length);
  if (joins.length < (take === 1 ? 2 : 1)) throw new Error(`${encode.name}: ${joins.length} join points`);
  return { bytes, joins, units, seconds };
}

function wayOf(name: string): Way {
  const found = ways.find((known) => known === name);
  if (found === undefined) throw new Error(`--over ${name}: it has to be one of ${ways.join(", ")}`);
  return found;
}

interface Tally {
  clean: number;
  of: number;
}

interface Row {
  readonly joins: Tally;
  readonly others: Tally;
  readonly skips: Tally;
  readonly returns: Tally;
  readonly breaks: Tally;
  readonly firstMs: number[];
  /** ffmpeg's lines after each return anywhere. */
  readonly lines: number[];
}

const rows = new Map<string, Row>();
const none = () => ({ clean: 0, of: 0 });

function rowOf({ container }: Encode): Row {
  const found = rows.get(container);
  if (found !== undefined) return found;
  const row = {
    joins: none(),
    others: none(),
    skips: none(),
    returns: none(),
    breaks: none(),
    firstMs: [],
    lines: [],
  };
  rows.set(container, row);
  return row;
}

function count(tally: Tally, what: string, capture: Uint8Array, faults: readonly string[]): void {
  tally.of++;
  if (faults.length === 0) tally.clean++;
  else {
    console.error(
      `${what}: ${faults.slice(0, 4).join(" | ")}${faults.length > 4 ? ` ... ${faults.length}` : ""}`,
    );
    if (flags.keep !== undefined) {
      mkdirSync(flags.keep, { recursive: true });
      writeFileSync(join(flags.keep, what.replaceAll(/\W+/g, "-")), capture);
    }
  }
}

function faultsOf(verdict: Verdict, encode: Encode, seconds: number): string[] {
  const faults = [...verdict.errors];
  const isVideo = !encode.options.includes("-vn");
  const shown = seconds - (encode.refreshSeconds ?? 0);
  const least = enough * shown * (isVideo ? framesPerSecond : 1);
  const got = isVideo ? verdict.frames : verdict.seconds;
  if (got < least) faults.push(`only ${got} of at least ${least} ${isVideo ? "frames" : "seconds"}`);
  if (!verdict.startsWithKey) faults.push("does not start with a keyframe");
  return faults;
}

/** The end of the first unit at or after `offset`. */
function unitEnd(stream: Stream, offset: number): number {
  return stream.units.find((unit) => unit >= offset) ?? stream.bytes.length;
}

/** Somewhere in the middle of something. */
function awkward(stream: Stream, fraction: number): number {
  return Math.floor(stream.bytes.length * fraction) | 1;
}

async function runJoins(server: TestServer, encode: Encode, stream: Stream): Promise<void> {
  const row = rowOf(encode);
  const { bytes } = stream;
  const channel = `joins-${encode.name}`;
  const control = await Viewer.open(server, channel, "wait=60", way);
  await server.watched(`fier/${channel}`, 1);
  const client = server.broadcast({ fserv_arg_channel: channel });
  const feed = new Feed(client, control);
  const judged: Promise<void>[] = [];
  const others: { start: string; at: number; viewer: Viewer }[] = [];
  for (let index = 0; index < times; index++) {
    await feed.to(bytes, Math.max(feed.sent, awkward(stream, 0.2 + (0.55 * index) / times)));
    const what = `${encode.name} join ${index} at ${feed.sent}`;
    // One of them by the client, whose start-up would be measured otherwise.
    const isClient = index === 1 && way === "tcp";
    const viewer = isClient
      ? server.watch({ fserv_arg_channel: channel })
      : await Viewer.open(server, channel, "", way);
    await until(`${what}: the first byte`, () => viewer.length > 0);
    if (viewer instanceof Viewer) row.firstMs.push(viewer.firstMs);
    const start = ["next", "live", "5s"][index];
    if (start !== undefined) {
      others.push({
        start,
        at: feed.sent,
        viewer: await Viewer.open(server, channel, `start=${start}`, way),
      });
    }
    await feed.to(bytes, unitEnd(stream, feed.sent + (captureSeconds * bytes.length) / stream.seconds));
    const sent = bytes.subarray(0, feed.sent);
    await until(`${what}: the last byte`, () => endsLike(viewer.bytes, sent));
    const capture = viewer.bytes;
    if (viewer instanceof Viewer) viewer.close();
    else viewer.process.kill("SIGKILL");
    judged.push(
      judge(capture).then((verdict) =>
        count(row.joins, what, capture, faultsOf(verdict, encode, captureSeconds)),
      ),
    );
  }
  await feed.to(bytes, bytes.length);
  await client.finish();
  await until("the watchers end", () => control.ended && others.every(({ viewer }) => viewer.ended));
  if (!control.bytes.equals(bytes)) throw new Error(`${encode.name}: the stream did not arrive whole`);
  for (const { start, at, viewer } of others) {
    const what = `${encode.name} start=${start} at ${at}`;
    const capture = viewer.bytes;
    if (start === "live") {
      // Wherever it falls: nothing is promised but bytes at once.
      if (capture.length === 0) throw new Error(`${what}: nothing came`);
      continue;
    }
    const faults = faultsOf(await judge(capture), encode, captureSeconds);
    count(row.others, what, capture, faults);
  }
  await Promise.all(judged);
  if ((await client.exit()) !== 0) throw new Error(`${encode.name}: ${client.stderr}`);
}

async function runSkips(encode: Encode, stream: Stream): Promise<void> {
  const row = rowOf(encode);
  const { bytes, joins } = stream;
  let gap = joins[0];
  for (let i = 1; i < joins.length; i++) gap = Math.max(gap, joins[i] - joins[i - 1]);
  // As much again as the backlog is kept for watchers that are stuck inside a unit; here each of them in another one.
  const backlog = Math.floor(Math.max(131_072, 1.3 * gap, Math.min(2 * times * gap, 0.4 * bytes.length)));
  const server = await TestServer.start({ fstream: `backlog = ${backlog}` });
  try {
    const control = await Viewer.open(server, encode.name, "wait=60", way);
    const words = watchRequest(encode.name, "wait=60", way);
    const slow = Array.from({ length: times }, (_, index) => ({
      watcher: new Trickle(portOf(server, way), words),
      pauseAt: awkward(stream, 0.02 + (0.2 * index) / times),
      resumeAt: awkward(stream, 0.85 + (0.1 * index) / times),
    }));
    await server.watched(`fier/${encode.name}`, 1 + times);
    const client = server.broadcast({ fserv_arg_channel: encode.name });
    const feed = new Feed(client, control);
    await feed.to(bytes, bytes.length, () => {
      for (const { watcher, pauseAt, resumeAt } of slow)
        watcher.take(feed.arrived < resumeAt ? pauseAt : Number.POSITIVE_INFINITY);
    });
    await client.finish();
    let skipped = 0;
    for (const { watcher, pauseAt } of slow) {
      await until(`${encode.name}: a slow watcher ends`, () => {
        watcher.take();
        return watcher.ended;
      });
      watcher.close();
      const capture =
        way === "tcp" ? watcher.bytes : (behindHead(Buffer.from(watcher.bytes)) ?? watcher.bytes);
      // The server's send buffer grows for a watcher that is quick at first, up to as much as some of these streams are long.
      if (capture.length >= bytes.length) continue;
      skipped++;
      const faults = faultsOf(await judge(capture, true), encode, captureSeconds);
      count(row.skips, `${encode.name} skip at ${pauseAt}`, capture, faults);
    }
    if (skipped === 0) throw new Error(`not a watcher was skipped with a backlog of ${backlog}`);
  } finally {
    await server.stop();
  }
}

/** Whether the last bytes of the one are those of the other. */
function endsLike(capture: Uint8Array, bytes: Uint8Array): boolean {
  return Buffer.from(capture.subarray(-tailBytes)).equals(bytes.subarray(-tailBytes));
}

async function runReturn(server: TestServer, encode: Encode, old: Stream, fresh: Stream, index: number) {
  const isClean = index % 2 === 0;
  const anywhere = awkward(old, 0.3 + (0.4 * index) / times);
  const end = isClean ? unitEnd(old, anywhere) : anywhere;
  const channel = `return${index}-${encode.name}`;
  const control = await Viewer.open(server, channel, "wait=60", way);
  await server.watched(`fier/${channel}`, 1);
  const first = server.broadcast({ fserv_arg_channel: channel });
  const feed = new Feed(first, control);
  await feed.to(old.bytes, Math.floor(end / 2));
  const late = await Viewer.open(server, channel, "", way);
  await until("a late joiner gets something", () => late.length > 0);
  await feed.to(old.bytes, end);
  const sent = old.bytes.subarray(0, end);
  await until("it gets all", () => endsLike(late.bytes, sent));
  first.process.kill("SIGKILL");
  await server.says(new RegExp(`fier/${channel}: broadcast interrupted`));
  const second = server.broadcast({ fserv_arg_channel: channel });
  for (let at = 0; at < fresh.bytes.length; at += 20_000)
    await second.send(fresh.bytes.subarray(at, at + 20_000));
  await second.finish();
  await until(`${channel}: the watchers end`, () => control.ended && late.ended);
  const row = rowOf(encode);
  const whole = (await judge(fresh.bytes)).frames;
  for (const [who, viewer] of [
    ["first", control],
    ["late", late],
  ] as const) {
    const capture = viewer.bytes;
    if (encode.endsAtReturn === true) {
      const faults = endsLike(capture, sent) ? [] : ["was not ended at the return"];
      count(
        isClean ? row.returns : row.breaks,
        `${encode.name} return ${index} at ${end} ${who}`,
        capture,
        faults,
      );
      continue;
    }
    const { errors, frames, startsWithKey } = await judge(capture);
    const lines = errors.filter((line) => !aboutTimestamps.test(line));
    const faults: string[] = [];
    if (!endsLike(capture, fresh.bytes)) faults.push("was ended at the return");
    if (!startsWithKey) faults.push("does not start with a keyframe");
    // What it had before the return is a part of it.
    const before = await judge(
      capture.subarray(0, who === "first" ? end : capture.length - fresh.bytes.length),
    );
    // ffmpeg discards of a fragmented MP4 whose time leaps back what it takes for a lead-in, up to a fragment.
    const least = before.frames + Math.floor(enough * whole);
    if (frames < least) faults.push(`only ${frames} of ${least} frames`);
    if (isClean) faults.push(...lines);
    else row.lines.push(lines.length);
    const tally = isClean ? row.returns : row.breaks;
    count(tally, `${encode.name} return ${index} at ${end} ${who}`, capture, faults);
  }
}

const server = await TestServer.start();
mkdirSync(store, { recursive: true });
for (const encode of encodes.filter(({ name }) => new RegExp(flags.only).test(name))) {
  try {
    const stream = await load(encode, 1);
    if (flags.parts.includes("joins")) await runJoins(server, encode, stream);
    // A watcher that decides byte by byte what it takes speaks no TLS.
    if (flags.parts.includes("skips") && way !== "https") await runSkips(encode, stream);
    if (!flags.parts.includes("returns")) continue;
    const fresh = await load(encode, 2);
    for (let index = 0; index < times; index++) await runReturn(server, encode, stream, fresh, index);
  } catch (error) {
    console.error(`${encode.name}: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
await server.stop();

const total = {
  joins: none(),
  others: none(),
  skips: none(),
  returns: none(),
  breaks: none(),
  firstMs: [] as number[],
  lines: [] as number[],
};
const shown = ({ clean, of }: Tally) => `${clean} of ${of}`;
const line = (cells: readonly string[]) => console.log(`| ${cells.join(" | ")} |`);
line([
  "",
  "joins",
  "start=next, 5s",
  "first byte, ms: median, most",
  "skips",
  "returns at a unit's end",
  "returns anywhere, the new stream whole",
  "lines about the unit cut off: median, most",
]);
line(["---", "---", "---", "---", "---", "---", "---", "---"]);
for (const [container, row] of [...rows, ["all", total] as const]) {
  for (const key of ["joins", "others", "skips", "returns", "breaks"] as const) {
    if (row === total) break;
    total[key].clean += row[key].clean;
    total[key].of += row[key].of;
  }
  if (row !== total) {
    total.firstMs.push(...row.firstMs);
    total.lines.push(...row.lines);
  }
  const lines = medianAndMost(row.lines).join(", ");
  const firstMs = medianAndMost(row.firstMs)
    .map((ms) => ms.toFixed(1))
    .join(", ");
  const { joins, others, skips, returns, breaks } = row;
  line([container, shown(joins), shown(others), firstMs, shown(skips), shown(returns), shown(breaks), lines]);
}

function medianAndMost(values: readonly number[]): number[] {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted.length === 0 ? [] : [sorted[sorted.length >> 1], sorted[sorted.length - 1]];
}
