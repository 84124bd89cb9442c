// What a watcher is sent between two broadcasts.

import { describe, expect, test } from "bun:test";
import { FstreamError } from "../../src/errors.ts";
import { concat } from "../../src/media/bytes.ts";
import { Rig } from "./rig.ts";
import { flvConfig, flvFrame, flvHead } from "./streams.ts";

describe("what leads from one broadcast to the next", () => {
  const reset = new FstreamError("disconnected", "the connection was reset");
  const length = 1000;
  /** The last tag of the old broadcast, of which half comes. */
  const half = flvFrame(40, false, length).subarray(0, 500);
  const old = concat([flvHead, flvConfig(0), flvFrame(0, true, length), half]);

  test.each([0, 1, 300, 510])(
    "reaches a watcher that is lapped in the next one before it took more than %i bytes of it",
    (taken) => {
      const rig = new Rig();
      const sender = rig.broadcast();
      const watcher = rig.watch();
      sender.send(old);
      sender.break(reset);
      watcher.room = taken;
      const next = rig.broadcast();
      next.send(concat([flvHead, flvConfig(0, 2)]));
      const frames: Uint8Array[] = [];
      for (let i = 0; i < 1000; i++) frames.push(flvFrame(i * 40, i % 50 === 0, length));
      for (const each of frames) next.send(each);
      watcher.give(1e9);
      const { received } = watcher;
      // Half a tag was there: 500 bytes make it whole, the last four of which are its size.
      expect(received.subarray(0, old.length)).toEqual(old);
      const padding = received.subarray(old.length, old.length + 500);
      expect(padding.subarray(0, 496)).toEqual(new Uint8Array(496));
      expect(new DataView(padding.slice().buffer).getUint32(496)).toBe(996);
      const configs = Buffer.from(received.subarray(old.length + 500)).toHex();
      expect(configs).toStartWith(flvConfig(0, 2).toHex());
      // It goes on at the newest keyframe, with the configuration at that time.
      expect(configs).toEndWith(
        concat([flvConfig(frames.length * 40 - 2000, 2), ...frames.slice(-50)]).toHex(),
      );
      expect(rig.skipped.length).toBe(1);
    },
  );
});
