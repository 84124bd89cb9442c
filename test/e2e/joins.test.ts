// Pictures through the whole program: a watcher that joins late, is skipped, or goes through a return gets what a player
// takes without a word. What came is compared with what the detectors say that it should be, and, where there is an
// ffmpeg, decoded. Streams are paced by what has arrived.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import type { Header } from "../../src/media/detector.ts";
import { Sniffer } from "../../src/media/sniffer.ts";
import { canJudge, judge } from "./judge.ts";
import { deadlineMs, noise, type Peer, sha256, TestServer, until, watcherOkBytes } from "./program.ts";
import { canTrickle, Trickle } from "./trickle.ts";

setDefaultTimeout(2 * deadlineMs);

const login = "broadcast,user=fier,user_password=123";
const fixtures = join(import.meta.dir, "../fixtures");
const fixture = (name: string) => Bun.file(join(fixtures, name)).bytes();
const aboutTimestamps = /\bdts\b/;

interface Place {
  readonly offset: number;
  readonly header: Header;
}

/** What is known of a stream by these bytes of it; `known`: how far a late joiner can be sent them. */
function follow(bytes: Uint8Array): { joins: Place[]; units: number[]; known: number } {
  const joins: Place[] = [];
  const units: number[] = [];
  let header: Header | undefined;
  const sniffer = new Sniffer({
    header: (newer) => {
      header = newer;
    },
    join: (offset, within) => {
      if (header !== undefined) joins.push({ offset, header });
      if (within !== true) units.push(offset);
    },
    unit: (offset) => units.push(offset),
  });
  sniffer.feed(bytes, 0);
  return { joins, units, known: Math.min(bytes.length, sniffer.unpatchedFrom) };
}

/** Sends bytes, no faster than they come to `reader`. */
async function feed(broadcaster: Peer, bytes: Uint8Array, reader: Peer, look = () => {}): Promise<void> {
  const step = 24_000;
  for (let at = 0; at < bytes.length; at += step) {
    const piece = bytes.subarray(at, at + step);
    const expected = reader.length + piece.length;
    broadcaster.send(piece);
    await reader.received(expected);
    look();
  }
}

/** A watcher that is there before the broadcast, and the broadcaster. */
async function begin(server: TestServer, channel: string): Promise<{ reader: Peer; broadcaster: Peer }> {
  const reader = await server.dial();
  reader.request(`watch,user=fier,channel=${channel},wait=60`);
  await server.watched(`fier/${channel}`, 1);
  return { reader, broadcaster: await another(server, channel) };
}

async function another(server: TestServer, channel: string): Promise<Peer> {
  const broadcaster = await server.dial();
  return broadcaster.request(`${login},channel=${channel}`);
}

/** The little film of the demonstration as `format`. */
async function film(format: string, ...options: string[]): Promise<Uint8Array> {
  if (format === "flv") return await fixture("demo.flv");
  const command = ["ffmpeg", "-v", "error", "-i", join(fixtures, "demo.flv"), "-c", "copy"];
  const process = Bun.spawn([...command, "-f", format, ...options, "pipe:1"], { stdout: "pipe" });
  return await process.stdout.bytes();
}

const fragments = ["-movflags", "empty_moov+default_base_moof+frag_keyframe"];
const films: [format: string, ...options: string[]][] = [
  ["flv"],
  ["mpegts"],
  ["matroska"],
  ["mp4", ...fragments],
  ["h264", "-an"],
];

describe("a late joiner", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start();
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  test.each([
    "adts-stereo.aac",
    "flv-aac.flv",
    "flv-h264-open.flv",
    "fmp4-cmaf.mp4",
    "fmp4-h264-aac.mp4",
    "h264-closed.h264",
    "h264-refresh.h264",
    "hevc-open.hevc",
    "matroska-h264-aac.mkv",
    "matroska-vp9-opus.webm",
    "mp3-vbr.mp3",
    "mpegts-h264-aac.mpegts",
    "mpegts-hevc-opus.mpegts",
    "ogg-opus.ogg",
    "ogg-theora-vorbis.ogg",
  ])("of %s gets the header and the newest join point at once, and a picture", async (file) => {
    const bytes = await fixture(file);
    const cut = Math.floor(bytes.length * 0.61) | 1;
    const { reader, broadcaster } = await begin(server, file);
    await feed(broadcaster, bytes.subarray(0, cut), reader);
    const { joins, known } = follow(bytes.subarray(0, cut));
    const place = joins.at(-1);
    if (place === undefined) throw new Error("no join point");
    expect(place.offset).toBeGreaterThan(0);
    const late = await server.dial();
    late.request(`watch,user=fier,channel=${file}`);
    // At once: nothing more is sent before it has come.
    await late.received(place.header.start.length + known - place.offset);
    await feed(broadcaster, bytes.subarray(cut), reader);
    broadcaster.finish();
    for (const peer of [late, reader]) expect(await peer.ended()).toBe("fin");
    const due = Buffer.concat([place.header.start, bytes.subarray(place.offset)]);
    expect(sha256(late.bytes)).toBe(sha256(due));
    expect(sha256(reader.bytes)).toBe(sha256(bytes));
    if (!canJudge) return;
    const { errors, startsWithKey, seconds } = await judge(late.bytes);
    expect({ errors, startsWithKey }).toEqual({ errors: [], startsWithKey: true });
    expect(seconds).toBeGreaterThan(0.2);
  });

  test("waits for the next join point where the newest has left the backlog, and the log says once what would do", async () => {
    const small = await TestServer.start({ fstream: 'backlog = "64KiB"' });
    const dense = await fixture("demo.flv");
    const keyframes = follow(dense).joins.slice(2, 6);
    // One long GOP, without the keyframes in it.
    const end = (from: number) => follow(dense).units.find((unit) => unit > from) ?? 0;
    const starts = [0, ...keyframes.map(({ offset }) => end(offset))];
    const ends = [...keyframes.map(({ offset }) => offset), dense.length];
    const bytes = Buffer.concat(starts.map((from, index) => dense.subarray(from, ends[index])));
    const { joins } = follow(bytes);
    const { reader, broadcaster } = await begin(small, "small");
    const next = joins[2];
    const cut = next.offset - 1000;
    await feed(broadcaster, bytes.subarray(0, cut), reader);
    const late = [await small.dial(), await small.dial()];
    for (const peer of late) peer.request("watch,user=fier,channel=small,reply=1");
    await small.watched("fier/small", 3);
    await feed(broadcaster, bytes.subarray(cut), reader);
    broadcaster.finish();
    const due = Buffer.concat([next.header.start, bytes.subarray(next.offset)]);
    for (const peer of late) {
      expect(await peer.ended()).toBe("fin");
      expect(sha256(peer.bytes.subarray(watcherOkBytes))).toBe(sha256(due));
    }
    expect(await reader.ended()).toBe("fin");
    expect(
      small.run.stderr.match(/fier\/small: the backlog is smaller .* or set backlog to \d+MiB or more/g),
    ).toHaveLength(1);
    expect(await small.stop()).toBe(0);
  });
});

describe.skipIf(!canJudge || !canTrickle)("a slow watcher", () => {
  test.each(films)("of %s is skipped, and its player does not notice", async (format, ...options) => {
    const server = await TestServer.start({ fstream: 'backlog = "64KiB"' });
    const bytes = await film(format, ...options);
    const { reader, broadcaster } = await begin(server, "slow");
    const head = Buffer.from("\n\n\0\0\0\0\0watch,user=fier,channel=slow,wait=60");
    head.writeUInt32BE(head.length - 7, 2);
    const slow = new Trickle(server.port("tcp"), head);
    await server.watched("fier/slow", 2);
    const resume = Math.floor(bytes.length * 0.85);
    await feed(broadcaster, bytes.subarray(0, resume), reader, () => slow.take(7001));
    await feed(broadcaster, bytes.subarray(resume), reader, () => slow.take());
    broadcaster.finish();
    await until("the slow one has all that it gets", () => {
      slow.take();
      return slow.ended;
    });
    slow.close();
    expect(await reader.ended()).toBe("fin");
    await server.says(/fier\/slow: a slow watcher skipped [\d.]+ [kMG]?B/);
    expect(slow.length).toBeLessThan(bytes.length - 10_000);
    expect(sha256(reader.bytes)).toBe(sha256(bytes));
    const { errors, frames } = await judge(slow.bytes);
    expect(errors).toEqual([]);
    expect(frames).toBeGreaterThan(25);
    expect(await server.stop()).toBe(0);
  });
});

describe("a broadcaster's return", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({ fstream: 'hold = "1h"' });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  /** What a watcher has in the end that was there while `first` broke off and `second` came. */
  async function returned(channel: string, first: Uint8Array, second: Uint8Array): Promise<Uint8Array> {
    const { reader, broadcaster } = await begin(server, channel);
    await feed(broadcaster, first, reader);
    broadcaster.reset();
    await server.says(new RegExp(`fier/${channel}: broadcast interrupted`));
    const back = await another(server, channel);
    back.send(second).finish();
    expect(await reader.ended()).toBe("fin");
    return reader.bytes;
  }

  test.skipIf(!canJudge).each(films)(
    "as %s goes on at a join point of the new stream",
    async (format, ...options) => {
      const bytes = await film(format, ...options);
      const { units } = follow(bytes);
      const end = units[Math.floor(units.length * 0.4)];
      const at = await returned(`unit-${format}`, bytes.subarray(0, end), bytes);
      const whole = await judge(at);
      expect(whole.errors.filter((line) => !aboutTimestamps.test(line))).toEqual([]);

      // In the middle of a unit: that is damaged, and nothing of what follows is.
      const cut = (end + units[units.indexOf(end) + 1]) >> 1;
      const damaged = await judge(await returned(`inside-${format}`, bytes.subarray(0, cut), bytes));
      expect(damaged.frames).toBeGreaterThanOrEqual(whole.frames - 1);
    },
  );

  test("as Ogg with sound begins a chained stream", async () => {
    const bytes = await fixture("ogg-opus.ogg");
    const other = bytes.slice();
    // Other headers with the same codec, as each encoder's serial number makes them.
    other[Buffer.from(other).indexOf("OpusTags") + 12] ^= 1;
    const { units } = follow(bytes);
    const got = await returned("chain", bytes.subarray(0, units[5]), other);
    expect(sha256(got)).toBe(sha256(Buffer.concat([bytes.subarray(0, units[5]), other])));
  });

  test("with another movie header ends the watchers, which are notified that there would be more", async () => {
    const { reader, broadcaster } = await begin(server, "moov");
    const watcher = server.watch({ fserv_arg_channel: "moov" });
    const bytes = await fixture("fmp4-h264-aac.mp4");
    await feed(broadcaster, bytes, reader);
    await until("the client has it", () => watcher.length > 0);
    broadcaster.reset();
    await server.says(/fier\/moov: broadcast interrupted/);
    const back = await another(server, "moov");
    back.send(await fixture("fmp4-hevc.mp4"));
    expect(await watcher.exit()).toBe(5);
    expect(await reader.ended()).toBe("fin");
    expect(sha256(reader.bytes)).toBe(sha256(bytes));
    back.finish();
  });

  test("to a server that was started again brings the header and a join point", async () => {
    const bytes = await fixture("demo.flv");
    let restarted = await TestServer.start();
    const cut = Math.floor(bytes.length * 0.4) | 1;
    const { joins } = follow(bytes.subarray(0, cut));
    const before = restarted.watch({}, "--wait");
    await restarted.watched("fier/default", 1);
    const broadcaster = restarted.broadcast({}, "--retry");
    await broadcaster.send(bytes.subarray(0, cut));
    await until("it is on its way", () => before.length >= cut);
    restarted = await restarted.restart();
    await restarted.says(/fier\/default: broadcast from .* started/);
    const late = restarted.watch();
    const place = joins[joins.length - 1];
    const due = Buffer.concat([place.header.start, bytes.subarray(place.offset)]);
    await until("the late joiner has a picture", () => late.length >= due.length - (bytes.length - cut));
    await broadcaster.finish(bytes.subarray(cut));
    expect(await broadcaster.exit()).toBe(0);
    expect(await late.exit()).toBe(0);
    expect(sha256(late.bytes)).toBe(sha256(due));
    expect(await restarted.stop()).toBe(0);
  });
});

describe("what is no container", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start();
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  const text = Buffer.from("All work and no play makes Jack a dull boy.\n".repeat(30_000));
  test.each([
    ["noise", () => noise(1_500_000, 41)],
    ["text", () => text],
    ["zeros", () => new Uint8Array(1_500_000)],
    [
      "a transport stream that turns into noise",
      async () => {
        const packets = await fixture("mpegts-h264-aac.mpegts");
        return Buffer.concat([...Array.from({ length: 6 }, () => packets), noise(1_500_000, 42)]);
      },
    ],
  ] as const)("%s is relayed whole", async (name, make) => {
    const bytes = await make();
    const channel = name.replaceAll(" ", "-");
    const { reader, broadcaster } = await begin(server, channel);
    for (let at = 0; at < bytes.length; at += 100_000) {
      broadcaster.send(bytes.subarray(at, at + 100_000));
      await reader.received(Math.min(bytes.length, at + 100_000));
    }
    broadcaster.finish();
    expect(await reader.ended()).toBe("fin");
    expect(sha256(reader.bytes)).toBe(sha256(bytes));
  });
});
