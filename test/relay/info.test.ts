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

test("the bit rate is 0 once nothing has come for five seconds", () => {
  const rig = new Rig();
  const sender = rig.broadcast();
  const [channel] = [...rig.relay.channels];
  for (let ms = 0; ms < 8000; ms += 100) {
    sender.send(opaque(1000));
    rig.clock.advance(100);
  }
  const rates = [channel.bitrate];
  for (let s = 0; s < 6; s++) {
    rig.clock.advance(1000);
    rates.push(channel.bitrate);
  }
  expect(rates).toEqual([...rates].sort((a, b) => b - a));
  expect(Math.abs(rates[0] / 80_000 - 1)).toBeLessThan(0.05);
  expect(rates.slice(-2)).toEqual([0, 0]);
});

test("the bit rate does not depend on how much of the stream the backlog holds", () => {
  const rig = new Rig({ backlogBytes: 2 ** 16 });
  const sender = rig.broadcast();
  const [channel] = [...rig.relay.channels];
  const rates: number[] = [];
  for (let ms = 0; ms < 8000; ms += 10) {
    sender.send(opaque(15_000));
    rig.clock.advance(10);
    if (ms > 1000) rates.push(channel.bitrate);
  }
  expect(Math.min(...rates)).toBeGreaterThan(11.5e6);
  expect(Math.max(...rates)).toBeLessThan(12.5e6);
});

test("what comes at once as a broadcast begins is averaged over a second at least", () => {
  const rig = new Rig();
  rig.broadcast().send(opaque(300_000));
  const [channel] = [...rig.relay.channels];
  const rates = [channel.bitrate];
  for (const ms of [2000, 4000]) {
    rig.clock.advance(ms);
    rates.push(channel.bitrate);
  }
  expect(rates).toEqual([2_400_000, 1_200_000, 0]);
});

/** FLV of so many seconds with a keyframe at the beginning and then each `keyframeMs`. */
function sendFlv(rig: Rig, seconds: number, keyframeMs: number): void {
  const sender = rig.broadcast();
  for (const part of [flvHead, flvConfig(0)]) sender.send(part);
  for (let ms = 0; ms < seconds * 1000; ms += 100) {
    sender.send(flvFrame(ms, ms % keyframeMs === 0, 200));
    rig.clock.advance(100);
  }
}

test("keyframes more than ten seconds apart are reported once a broadcast, and others never", () => {
  const rig = new Rig({ backlogBytes: 2 ** 20, maxBacklogTotalBytes: 2 ** 22 });
  sendFlv(rig, 60, 10_000);
  expect(rig.joinless).toBe(0);
  sendFlv(rig, 60, 15_000);
  expect(rig.joinless).toBe(1);
  sendFlv(rig, 20, 15_000);
  expect(rig.joinless).toBe(2);
});

test("keyframes further apart than the backlog reaches are reported before anybody has to wait for one", () => {
  const rig = new Rig();
  sendFlv(rig, 60, 1000);
  expect(rig.short).toEqual([]);
  const sender = rig.broadcast();
  for (const part of [flvHead, flvConfig(0), flvFrame(0, true, 200)]) sender.send(part);
  for (let ms = 0; ms < 5000; ms += 100) {
    sender.send(flvFrame(ms, false, 10_000));
    rig.clock.advance(100);
  }
  expect(rig.short).toHaveLength(1);
  expect(rig.short[0]).toBeGreaterThan(65_536);
});

test("watchers that come and go are reported once a minute, and those that only wait for a broadcast are not", () => {
  const rig = new Rig({ holdMs: 600_000 });
  rig.watch({ waitMs: 3_600_000 });
  rig.clock.advance(300_000);
  expect(rig.attended).toEqual([]);
  const sender = rig.broadcast();
  sender.send(opaque(1000));
  rig.clock.advance(1000);
  expect(rig.attended.splice(0)).toEqual([{ joined: 1, left: 0 }]);
  for (let i = 0; i < 1000; i++) {
    rig.watch().watcher.leave();
    rig.clock.advance(100);
  }
  rig.clock.advance(60_000);
  const reports = rig.attended.splice(0);
  expect(reports).toHaveLength(2);
  expect(reports.reduce((sum, { joined }) => sum + joined, 0)).toBe(1000);
  expect(reports.reduce((sum, { left }) => sum + left, 0)).toBe(1000);
  rig.clock.advance(600_000);
  expect(rig.attended).toEqual([]);
  expect([...rig.relay.channels][0].watchersInTotal).toBe(1001);
});
