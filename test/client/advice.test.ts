// What a broadcaster is told of its own stream: of real ones, at the speed that the test decides.

import { expect, test } from "bun:test";
import { type Advice, Adviser } from "../../src/client/advice.ts";
import { testClock } from "./clock.ts";

const fixtures = new URL("../fixtures/", import.meta.url);

async function fixture(name: string): Promise<Uint8Array> {
  return await Bun.file(new URL(name, fixtures)).bytes();
}

/** A null packet of a transport stream (ISO/IEC 13818-1, 2.4.3.3). */
const nullPacket = new Uint8Array(188).fill(0xff);
nullPacket.set([0x47, 0x1f, 0xff, 0x10]);

/** An adviser on a clock that the test moves, and what it said. */
function advised(isFile = false) {
  const said: Advice[] = [];
  const clock = testClock();
  return { said, clock, adviser: new Adviser(clock, isFile, (advice) => said.push(advice)) };
}

test.each([false, true])(
  "an MP4 without fragments can't be joined: its broadcaster is told at once, and once (from a file: %p)",
  async (isFile) => {
    const { said, adviser } = advised(isFile);
    const bytes = await fixture("unjoinable/whole.mp4");
    for (let at = 0; at < bytes.length; at += 1000) adviser.feed(bytes.subarray(at, at + 1000));
    expect(said).toEqual([
      {
        message: expect.stringMatching(
          /^watchers who join late can't play this stream: MP4 without fragments /,
        ),
        hint: expect.stringContaining("ffmpeg -re -i FILE"),
      },
    ]);
  },
);

/** A stream that begins so. */
function filled(start: string): Buffer {
  return Buffer.concat([Buffer.from(start, "latin1"), Buffer.alloc(70_000, "\x01x")]);
}

test("of other formats that can't be joined it is said which it is; what is no media is the caller's own", () => {
  for (const [start, format] of [
    ["RIFF\x00\x00\x00\x00AVI LIST", "AVI"],
    ["\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", "ASF (WMV, WMA)"],
    ["\x00\x00\x00\x08wide\x00\x01", "QuickTime"],
    ["temperature 21.5\n", undefined],
  ] as const) {
    const { said, adviser } = advised();
    const bytes = filled(start);
    adviser.feed(bytes.subarray(0, 5));
    adviser.feed(bytes.subarray(5));
    expect([format, said.map(({ message }) => message)]).toEqual([
      format,
      format === undefined
        ? []
        : [`watchers who join late can't play this stream: ${format} can't be joined midway`],
    ]);
  }
});

test("of media in a file it is said that a file takes no time, of other files nothing", async () => {
  const media = advised(true);
  media.adviser.feed(await fixture("matroska-h264-aac.mkv"));
  expect(media.said).toEqual([
    { message: expect.stringContaining("as fast as it can be read"), hint: expect.stringContaining("-re") },
  ]);
  const text = advised(true);
  text.adviser.feed(Buffer.from("telemetry\n".repeat(10_000)));
  expect(text.said).toEqual([]);
});

test("a transport stream that runs far ahead of its own clock is reported, one in real time is not", async () => {
  const bytes = await fixture("mpegts-h264-aac.mpegts");
  for (const [stepMs, messages] of [
    [10, ["the stream is being sent much faster than real time"]],
    [3000, []],
  ] as const) {
    const { said, clock, adviser } = advised();
    for (let i = 0; i < 60; i++) {
      adviser.feed(bytes);
      clock.advance(stepMs);
    }
    expect(said.map(({ message }) => message)).toEqual([...messages]);
  }
});

test("what a backlog gives at once is no reason for advice", async () => {
  const bytes = await fixture("mpegts-h264-aac.mpegts");
  const { said, adviser } = advised();
  for (let i = 0; i < 10; i++) adviser.feed(bytes);
  expect(said).toEqual([]);
});

test("keyframes that are more than 10 s apart are reported; a source that pauses is not", async () => {
  const bytes = await fixture("mpegts-h264-aac.mpegts");
  const distant = advised();
  const pausing = advised();
  for (const { adviser } of [distant, pausing]) adviser.feed(bytes);
  for (let second = 1; second <= 12; second++) {
    distant.clock.advance(1000);
    distant.adviser.feed(nullPacket);
  }
  expect(distant.said).toEqual([
    {
      message: "no keyframe for 10 s: watchers who join wait for the next one",
      hint: expect.stringContaining("-g 60"),
    },
  ]);
  pausing.clock.advance(60_000);
  pausing.adviser.feed(nullPacket);
  pausing.adviser.feed(bytes);
  expect(pausing.said).toEqual([]);
});

test("keyframes that are further apart than a server's usual backlog are reported", async () => {
  const { said, adviser } = advised();
  adviser.feed(await fixture("mpegts-h264-aac.mpegts"));
  const packets = Buffer.concat(Array.from({ length: 5000 }, () => nullPacket));
  for (let bytes = 0; bytes <= 17 * 1024 * 1024; bytes += packets.length) adviser.feed(packets);
  expect(said.map(({ message }) => message)).toEqual([
    "no keyframe for 16 MiB, the default backlog of a server: watchers who join wait for the next one",
  ]);
});
