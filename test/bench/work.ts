// What is asked of the servers: each fan-out by name, with the peers that do the same work.

import type { PeerName } from "./peers.ts";

export interface Work {
  readonly name: string;
  readonly title: string;
  /** Streams, each with a broadcaster of its own, to which the watchers are distributed; 1 if left out. */
  readonly channels?: number;
  readonly watchers: number;
  /** Bits a second of 1316-byte blocks, 0 without a pace; "flv": the FLV file. */
  readonly stream: number | "flv";
  readonly peers: readonly PeerName[];
  /** Part of `--quick`. */
  readonly quick?: boolean;
  /** By how many rounds less it is measured than what the targets are about. */
  readonly fewer?: number;
  /** Seconds that are measured, and before that; else as the run has it. */
  readonly seconds?: number;
  readonly warm?: number;
  readonly joiners?: number;
  readonly joinersApartMs?: number;
  /** Whether Icecast gives those who come its default burst. */
  readonly burst?: boolean;
}

/** Bits a second of the FLV file, roughly. */
export const flvBitrate = 4_000_000;

const all: readonly PeerName[] = ["fstream", "C", "icecast"];
const published: readonly PeerName[] = ["nginx-rtmp", "srs", "srs-20", "srs-0", "mediamtx"];
const media: readonly PeerName[] = ["fstream", "fstream-350", "C", "icecast", ...published];
const both: readonly PeerName[] = ["fstream", "C"];
const secure: readonly PeerName[] = ["fstream", "fstream-tls", "icecast-tls"];
const crowded: readonly PeerName[] = ["fstream", "fstream-50", "fstream-350", "icecast"];
const http: readonly PeerName[] = ["fstream", "fstream-get", "fstream-http", "fstream-socket"];
const https: readonly PeerName[] = ["fstream-tls", "fstream-https"];

/** Where so little is done in a second that much of it is the compiling of code, for longer than elsewhere. */
export const rareWarmSeconds = 30;
const rare: Partial<Work> = { warm: rareWarmSeconds, seconds: 10 };

function blocks(
  watchers: number,
  megabits: number,
  peers: readonly PeerName[],
  more: Partial<Work> = {},
): Work {
  return {
    name: `${watchers}x${megabits}`,
    title: `${watchers} × ${megabits} Mbit/s`,
    watchers,
    stream: megabits * 1e6,
    peers,
    ...more,
  };
}

function flv(watchers: number, more: Partial<Work> = {}): Work {
  return {
    name: `flv${watchers}`,
    title: `FLV of 4 Mbit/s to ${watchers}`,
    watchers,
    stream: "flv",
    peers: media,
    ...more,
  };
}

/** Many channels with a few watchers each. */
function channels(count: number, watchersEach: number, kilobits: number, more: Partial<Work> = {}): Work {
  return {
    name: `${count}x${watchersEach}x${kilobits}`,
    title: `${count} channels × ${watchersEach} × ${kilobits} kbit/s`,
    channels: count,
    watchers: count * watchersEach,
    stream: kilobits * 1000,
    peers: crowded,
    ...more,
  };
}

export const works: readonly Work[] = [
  blocks(100, 8, all, { quick: true }),
  blocks(500, 4, all, { quick: true }),
  blocks(1000, 4, all, { quick: true }),
  blocks(4000, 0.5, all, { fewer: 1 }),
  blocks(10, 400, all, { quick: true }),
  blocks(1000, 30, both),
  blocks(10_000, 0.128, both, { title: "10,000 × 128 kbit/s", seconds: 5, fewer: 1 }),
  channels(200, 5, 1000),
  channels(1000, 5, 128),
  channels(1000, 1, 500),
  channels(3, 2, 4000, { peers: ["fstream", "icecast"] }),
  flv(500, { fewer: 1 }),
  flv(1000, { quick: true }),
  flv(2000, { fewer: 1 }),
  blocks(500, 4, secure, { name: "tls500x4", title: "TLS: 500 × 4 Mbit/s", fewer: 1 }),
  flv(1000, { name: "tls-flv1000", title: "TLS: FLV of 4 Mbit/s to 1000", peers: secure, fewer: 1 }),
  blocks(500, 4, http, { name: "http500x4", title: "HTTP: 500 × 4 Mbit/s" }),
  blocks(500, 4, https, { name: "https500x4", title: "HTTPS: 500 × 4 Mbit/s" }),
  {
    name: "one",
    title: "one watcher, no pace",
    watchers: 1,
    stream: 0,
    peers: both,
    quick: true,
  },
  flv(100, {
    name: "join",
    title: "20 joiners of an FLV that 100 watch",
    peers: all,
    fewer: 1,
    joiners: 20,
    burst: true,
  }),
  flv(100, {
    name: "crowd",
    title: "1000 joiners at once of an FLV that 100 watch",
    peers: all,
    fewer: 1,
    joiners: 1000,
    joinersApartMs: 0,
    burst: true,
  }),
  ...[10, 50].map((watchers) => blocks(watchers, 4, all, { ...rare, fewer: 2 })),
  ...[200, 2000].map((watchers) => blocks(watchers, 4, all, { fewer: 2 })),
];

/** The fan-outs that the plot shows: what they differ in is the number of watchers. */
export const plotted = works
  .filter(({ stream, peers }) => stream === 4e6 && peers === all)
  .toSorted((a, b) => a.watchers - b.watchers);

/** All watchers' bytes are checked up to 4 Gbit/s, beyond that one watcher's in 50. */
export function checkOneIn({ watchers, stream }: Work): number {
  const bitrate = stream === "flv" ? flvBitrate : stream;
  return watchers * bitrate > 4e9 ? 50 : 1;
}
