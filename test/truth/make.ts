// Makes test/fixtures/manifest.json: of each fixture what ffprobe and a plain reading of its elements (walk.ts) say of it.
// Run it where fixtures were added or changed (scripts/manifest), and look at the difference before it is kept.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Fixture } from "./manifest.ts";
import { type Element, walk } from "./walk.ts";

const folder = join(import.meta.dir, "../fixtures");

/** A keyframe may be led by so many frames that refer to what was before it. */
const maxLeading = 3;

/** A packet as ffprobe has it; `at` is where it, or what it is in, begins. */
interface Packet {
  readonly type: "video" | "audio";
  readonly stream: number;
  readonly at: number;
  readonly isKey: boolean;
}

function probe(file: string, entries: string): string[][] {
  const command = ["ffprobe", "-v", "quiet", "-of", "csv=p=0", "-show_entries", entries, join(folder, file)];
  const lines = Bun.spawnSync(command).stdout.toString().split("\n");
  return lines.filter((line) => line !== "").map((line) => line.split(","));
}

function packetsOf(file: string): Packet[] {
  return probe(file, "packet=codec_type,stream_index,pos,flags")
    .map(([type, stream, at, flags]) => ({
      stream: Number(stream),
      type: type as Packet["type"],
      at: at === "N/A" ? -1 : Number(at),
      isKey: flags.startsWith("K"),
    }))
    .filter(({ at }) => at >= 0);
}

/** Where a decoder can start, and where a stream can be cut: `some` of the joins if the detector may choose. */
type Truth = Pick<Fixture, "joins" | "cuts" | "some" | "step">;

const sorted = (offsets: Iterable<number>) => [...new Set(offsets)].sort((a, b) => a - b);

/** The packets that joins go by: those of the video, or where there is none, all. */
function leading(packets: readonly Packet[]): Packet[] {
  const video = packets.filter(({ type }) => type === "video");
  return video.length > 0 ? video : [...packets];
}

const keys = (packets: readonly Packet[]) => leading(packets).filter(({ isKey }) => isKey);
const hasVideo = (packets: readonly Packet[]) => packets.some(({ type }) => type === "video");

function frames(packets: readonly Packet[]): Truth {
  const joins = sorted(packets.map(({ at }) => at));
  return { joins, cuts: joins };
}

/** A fragment is joined at its beginning if its first picture is a keyframe, else at the keyframe; sound at beginnings. */
function mp4(elements: readonly Element[], packets: readonly Packet[]): Truth {
  const joins: number[] = [];
  for (const { at } of keys(packets)) {
    const data = elements.findLastIndex((element) => element.kind === "mdat" && element.at <= at);
    // what a moov describes can't be joined
    if (elements[data - 1].kind !== "moof") continue;
    let first = data;
    while (["styp", "sidx", "prft", "emsg", "moof"].includes(elements[first - 1].kind)) first--;
    const isFirst = !leading(packets).some((other) => other.at < at && other.at > elements[data].at);
    if (isFirst) joins.push(elements[first].at);
    else if (hasVideo(packets)) joins.push(at);
  }
  return {
    joins: sorted(joins),
    cuts: elements.filter(({ kind }) => kind === "mdat").map(({ end }) => end),
  };
}

/** The same with clusters. They are cut between whatever is in the Segment. */
function matroska(elements: readonly Element[], packets: readonly Packet[], bytes: Uint8Array): Truth {
  const last = (kind: string, at: number) =>
    elements.findLast((element) => element.kind === kind && element.at <= at) ?? elements[0];
  const joins: number[] = [];
  for (const { at } of keys(packets)) {
    const cluster = last("cluster", at);
    const isFirst = !leading(packets).some((other) => other.at < at && other.at > cluster.at);
    if (isFirst) joins.push(cluster.at);
    else if (hasVideo(packets)) joins.push(last("block", at).at);
  }
  const tops = elements
    .slice(elements.findIndex(({ kind }) => kind === "tracks"))
    .filter(({ kind }) => !["block", "timestamp", "inner"].includes(kind));
  const cuts = tops.map(({ end }, i) => (Number.isFinite(end) ? end : (tops[i + 1]?.at ?? bytes.length)));
  return { joins: sorted(joins), cuts: sorted(cuts) };
}

function ogg(elements: readonly Element[], packets: readonly Packet[]): Truth {
  const headerEnd = Math.min(...packets.map(({ at }) => at));
  const open = new Set<string>();
  const cuts: number[] = [];
  for (const { kind, end } of elements) {
    const [state, serial] = kind.split(" ");
    if (state === "open") open.add(serial);
    else open.delete(serial);
    if (end >= headerEnd && open.size === 0) cuts.push(end);
  }
  return { joins: sorted(keys(packets).map(({ at }) => at)), cuts };
}

function annexb(packets: readonly Packet[], bytes: Uint8Array): Truth {
  // ffprobe counts from the three bytes of a start code
  const begin = (at: number) =>
    at > 0 && bytes[at] === 0 && bytes[at + 2] === 1 && bytes[at - 1] === 0 ? at - 1 : at;
  return {
    joins: sorted(keys(packets).map(({ at }) => begin(at))),
    cuts: sorted(packets.map(({ at }) => begin(at))),
  };
}

/** Frames of the first stream from the last keyframe on, but for some that lead it; of sound there is one. */
function lastFrames(packets: readonly Packet[]): number {
  if (!hasVideo(packets)) return 1;
  const own = packets.filter(({ stream, type }) => type === "video" && stream === leading(packets)[0].stream);
  return Math.max(1, own.length - own.findLastIndex(({ isKey }) => isKey) - maxLeading);
}

function truth(container: string, bytes: Uint8Array, packets: readonly Packet[]): Truth {
  const elements = walk(container, bytes);
  switch (container) {
    case "flv":
      return {
        joins: sorted(keys(packets).map(({ at }) => at)),
        some: !hasVideo(packets),
        cuts: elements.filter(({ kind }) => kind !== "head").map(({ end }) => end),
      };
    case "fmp4":
      return mp4(elements, packets);
    case "matroska":
      return matroska(elements, packets, bytes);
    case "ogg":
      return ogg(elements, packets);
    case "mpegts":
      return {
        joins: sorted(keys(packets).map(({ at }) => at)),
        // of several programs those keyframes that come together
        some: packets.some(({ type, stream }) => type === "video" && stream !== leading(packets)[0].stream),
        cuts: sorted(leading(packets).map(({ at }) => at)),
      };
    case "h264":
    case "hevc":
      return annexb(packets, bytes);
    case "ivf":
      return {
        joins: sorted(keys(packets).map(({ at }) => at)),
        cuts: elements.filter(({ kind }) => kind === "frame").map(({ at }) => at),
      };
    case "wav": {
      const format = elements.find(({ kind }) => kind === "fmt ")?.at ?? 0;
      const data = elements.find(({ kind }) => kind === "data")?.at ?? 0;
      return { joins: [data + 8], cuts: [data + 8], some: true, step: bytes[format + 20] };
    }
    case "y4m": {
      const joins = packets.map(({ at }) => at - "FRAME\n".length);
      return { joins, cuts: joins };
    }
    case "mjpeg":
      return {
        joins: elements.map(({ at }) => at),
        cuts: sorted(elements.flatMap(({ at, end }) => [at, end])),
      };
    default:
      return frames(packets);
  }
}

const files = readdirSync(folder)
  .filter((name) => /^[a-z0-9]+-.*\.[a-z0-9]+$/.test(name))
  .sort();
const fixtures: Fixture[] = [];
for (const file of files) {
  const bytes = await Bun.file(join(folder, file)).bytes();
  const container = file.slice(0, file.indexOf("-"));
  const packets = packetsOf(file);
  const codecs = probe(file, "stream=codec_name").map(([codec]) => codec);
  const found = truth(container, bytes, packets);
  fixtures.push({
    file,
    container,
    codecs: [...new Set(codecs)].sort(),
    isVideo: hasVideo(packets),
    lastFrames: lastFrames(packets),
    ...found,
  });
}
await Bun.write(join(folder, "manifest.json"), JSON.stringify(fixtures));
