// What is known of a stream while it is on: for the log and the API.

import { expect, test } from "bun:test";
import { Rig } from "./rig.ts";
import { flvConfig, flvFrame, flvHead, opaque } from "./streams.ts";

test("a broadcast is reported once, when it is known what it is", () => {
  const rig = new Rig();
  const sender = rig.broadcast();
  for (const part of [flvHead, flvConfig(0)]) sender.send(part);
  for (let ms = 0; ms < 4000; ms += 40) sender.send(flvFrame(ms, ms % 1000 === 0, 500));
  rig.broadcast({ channel: "other" }).send(opaque(200_000));
  expect(rig.recognised).toEqual(["flv", "unknown"]);
});

test("bit rate and the distance of keyframes are those of the stream's last seconds", () => {
  const rig = new Rig();
  const sender = rig.broadcast();
  const [channel] = [...rig.relay.channels];
  expect([channel.bitrate, channel.joinIntervalMs]).toEqual([0, undefined]);
  for (const part of [flvHead, flvConfig(0)]) sender.send(part);
  for (let ms = 0; ms < 20_000; ms += 100) {
    sender.send(flvFrame(ms, ms % 2000 === 0, 1000));
    rig.clock.advance(100);
  }
  const frameBits = flvFrame(0, false, 1000).length * 8;
  expect(Math.abs(channel.bitrate / (frameBits * 10) - 1)).toBeLessThan(0.05);
  expect(channel.joinIntervalMs).toBe(2000);
});
