// What lies between an old broadcast and the one that comes after it, for a watcher that goes through both: nothing where
// the old one ended with a unit, what makes its last unit whole where it did not, and the header that the format has for that.

import { describe, expect, test } from "bun:test";
import { FstreamError } from "../../src/errors.ts";
import { concat } from "../../src/media/bytes.ts";
import { fmp4 } from "../../src/media/mp4/fmp4.ts";
import { ogg } from "../../src/media/ogg/ogg.ts";
import { fixture, Recorder } from "../media/recorder.ts";
import { Rig } from "./rig.ts";
import { flvConfig, flvFrame, flvHead, wavHead } from "./streams.ts";

const movie = await fixture("fmp4-h264-aac.mp4");
const reset = new FstreamError("disconnected", "the connection was reset");
const started = concat([flvHead, flvConfig(0), flvFrame(0, true, 2000)]);
const fresh = concat([flvHead, flvConfig(0, 2), flvFrame(0, true, 3000), flvFrame(40, false, 500)]);
/** What of `fresh` a watcher in mid-stream gets: the decoder's configuration, with its size behind it, and the rest. */
const freshInside = fresh.subarray(flvHead.length);

describe("a broadcaster's return", () => {
  test.each([0, 30])("that breaks again after %i bytes, many times, costs no watcher its place", (length) => {
    const rig = new Rig({ backlogBytes: 2 ** 20, maxBacklogTotalBytes: 2 ** 24 });
    const old = rig.broadcast();
    const watcher = rig.watch();
    old.send(movie);
    old.break(reset);
    for (let times = 0; times < 500; times++) {
      const flapping = rig.broadcast();
      flapping.send(movie.subarray(0, length));
      flapping.break(reset);
      rig.clock.advance(500);
    }
    expect(watcher.ending).toBe("");
    expect(rig.relay.backlogBytes).toBeLessThan(2 ** 20);
    const before = watcher.receivedBytes;
    rig.broadcast().send(movie);
    expect(watcher.ending).toBe("");
    expect(watcher.receivedBytes).toBeGreaterThan(before);
  });

  test("adds nothing to a stream that was cut off between two units", () => {
    const rig = new Rig();
    const old = rig.broadcast();
    const watcher = rig.watch();
    old.send(started);
    old.break(reset);
    rig.broadcast().send(fresh);
    expect(watcher.received).toEqual(concat([started, freshInside]));
  });

  test("makes the unit as long as announced in which the stream was cut off", () => {
    const frame = flvFrame(40, false, 1000);
    for (const sent of [1, 10, 15, 700, 997, 999]) {
      const rig = new Rig();
      const old = rig.broadcast();
      const watcher = rig.watch();
      old.send(concat([started, frame.subarray(0, sent)]));
      old.break(reset);
      rig.broadcast().send(fresh);
      const { received } = watcher;
      const end = received.length - freshInside.length;
      expect(received.subarray(0, started.length + sent)).toEqual(concat([started, frame.subarray(0, sent)]));
      expect(received.subarray(end)).toEqual(freshInside);
      // Of a tag whose size has not come all of it is missing that can be.
      if (sent >= 4) expect(end).toBe(started.length + frame.length);
      expect(received.subarray(end - 4, end)).toEqual(
        Uint8Array.of(0, 0, (end - started.length - 4) >> 8, (end - started.length - 4) & 255),
      );
    }
  });

  test("adds nothing for a watcher that stopped before the end", () => {
    const rig = new Rig();
    const old = rig.broadcast();
    const watcher = rig.watch({ room: started.length - 100 });
    old.send(started);
    // It is lapped, and stops behind the keyframe that it is in.
    for (let time = 40; time < 8000; time += 40) old.send(flvFrame(time, false, 1000));
    old.send(flvFrame(8000, false, 1000).subarray(0, 500));
    old.break(reset);
    rig.broadcast().send(fresh);
    watcher.give(1_000_000);
    expect(watcher.received).toEqual(concat([started, freshInside]));
  });

  test("finds those that have got nothing but a header that can't be repeated", async () => {
    const bytes = await fixture("fmp4-h264-aac.mp4");
    const recorder = new Recorder();
    fmp4.create(recorder).feed(bytes, 0);
    const rig = new Rig();
    const old = rig.broadcast();
    const watcher = rig.watch();
    old.send(bytes.subarray(0, recorder.joins[0]));
    old.break(reset);
    rig.broadcast().send(bytes);
    expect(watcher.received).toEqual(bytes);
  });

  test("to sound of blocks keeps them in step", () => {
    const rig = new Rig();
    const old = rig.broadcast();
    const watcher = rig.watch();
    old.send(concat([wavHead(100), new Uint8Array(730).fill(9)]));
    old.break(reset);
    const back = rig.broadcast();
    back.send(concat([wavHead(100), new Uint8Array(1000).fill(7)]));
    const bytes = watcher.received.subarray(wavHead(100).length);
    expect([bytes.lastIndexOf(9), bytes.indexOf(7), bytes.length]).toEqual([729, 800, 1800]);
  });

  test("to a single Ogg stream of sound begins another one behind it", async () => {
    const opus = await fixture("ogg-opus.ogg");
    const other = opus.slice();
    // Another vendor's text, and so another header.
    other[Buffer.from(other).indexOf("OpusTags") + 12] ^= 1;
    const recorder = new Recorder();
    ogg.create(recorder).feed(other, 0);
    const rig = new Rig();
    const old = rig.broadcast();
    const watcher = rig.watch();
    const recorded = new Recorder();
    ogg.create(recorded).feed(opus, 0);
    const cut = recorded.units[3];
    old.send(opus.subarray(0, cut));
    old.break(reset);
    rig.broadcast().send(other);
    const chained = concat([recorder.headers[0].start, other.subarray(recorder.joins[0])]);
    expect(watcher.received).toEqual(concat([opus.subarray(0, cut), chained]));
    expect(watcher.ending).toBe("");
  });

  test.each(["ogg-flac.ogg", "ogg-theora-vorbis.ogg"])(
    "to other Ogg streams ends its watchers, as with %s",
    async (file) => {
      const opus = await fixture("ogg-opus.ogg");
      const rig = new Rig();
      const old = rig.broadcast();
      const watcher = rig.watch();
      old.send(opus);
      old.break(reset);
      rig.broadcast().send(await fixture(file));
      expect(watcher.ending).toBe("disconnected");
      expect(watcher.received).toEqual(opus);
    },
  );
});
