// Real streams through the relay: a joiner gets a header and a join point, one that skips stops at a unit's
// end and goes on at a join point, as the container's own detector has them.

import { describe, expect, test } from "bun:test";
import { concat } from "../../src/media/bytes.ts";
import type { Header } from "../../src/media/detector.ts";
import { Sniffer } from "../../src/media/sniffer.ts";
import { fixture, random } from "../media/recorder.ts";
import { fixtures } from "../truth/manifest.ts";
import { Rig, type Sender } from "./rig.ts";

const names = fixtures.map(({ file }) => file);

interface Marked {
  readonly bytes: Uint8Array;
  /** As those get it that did not get it from its first byte. */
  readonly late: Uint8Array;
  readonly joins: Map<number, Header>;
  readonly units: Set<number>;
}

/** What the detector finds in a whole stream. */
function marked(bytes: Uint8Array): Marked {
  const joins = new Map<number, Header>();
  const units = new Set<number>();
  const late = bytes.slice();
  let header: Header | undefined;
  const sniffer = new Sniffer({
    header: (newer) => {
      header = newer;
    },
    join: (offset) => {
      joins.set(offset, header as Header);
      units.add(offset);
    },
    unit: (offset) => units.add(offset),
    patch: (offset, patch) => late.set(patch, offset),
  });
  sniffer.feed(bytes, 0);
  expect(sniffer.state).toBe("known");
  return { bytes, late, joins, units };
}

/** Sends the bytes from `from` up to `to` in pieces of up to 3000. */
function pour(
  sender: Sender,
  { bytes }: Marked,
  from: number,
  to: number,
  next: (below: number) => number,
): void {
  for (let at = from; at < to; ) {
    const end = Math.min(to, at + 1 + next(3000));
    sender.send(bytes.slice(at, end));
    at = end;
  }
}

/** Where a watcher began or went on: the join point after which it has all the rest. `before`: what was sent to it before. */
function joinOf(
  { late, joins }: Marked,
  received: Uint8Array,
  before: (header: Header) => Uint8Array,
): number {
  for (const [offset, header] of joins) {
    const start = before(header);
    if (received.length !== start.length + late.length - offset) continue;
    if (Buffer.compare(received, concat([start, late.subarray(offset)])) === 0) return offset;
  }
  return -1;
}

for (const name of names) {
  describe(name, () => {
    test("is joined at the newest join point, with the header that it needs", async () => {
      const stream = marked(await fixture(name));
      const next = random(3);
      // Not before it is known what the stream is.
      for (let moment = 0; moment < 12; moment++) {
        const rig = new Rig({ backlogBytes: 2 ** 20, maxBacklogTotalBytes: 2 ** 24 });
        const sender = rig.broadcast();
        const at = 4000 + next(stream.bytes.length - 8000);
        pour(sender, stream, 0, at, next);
        const watcher = rig.watch();
        const waited = watcher.receivedBytes === 0;
        pour(sender, stream, at, stream.bytes.length, next);
        if (Buffer.compare(watcher.received, stream.bytes) === 0) continue;
        const join = joinOf(stream, watcher.received, (header) => header.start);
        if (watcher.receivedBytes > 0) expect(join).toBeGreaterThanOrEqual(0);
        // A keyframe may be known as one only some bytes later; but none that begins well before may be passed over.
        const newest = [...stream.joins.keys()].findLast((offset) => offset < at - 30_000);
        if (!waited && newest !== undefined) expect(join).toBeGreaterThanOrEqual(newest);
      }
    });

    test("is skipped from a unit's end to a join point, with what may be repeated", async () => {
      const stream = marked(await fixture(name));
      const { bytes, units } = stream;
      const next = random(4);
      let skips = 0;
      for (let moment = 0; moment < 12; moment++) {
        const rig = new Rig({ backlogBytes: 8192 });
        const watcher = rig.watch({ waitMs: 1000, room: 1 + next(bytes.length >> 1) });
        const sender = rig.broadcast();
        pour(sender, stream, 0, bytes.length - 1 - next(2000), next);
        watcher.give(1e9);
        if (rig.skipped.length === 0) continue;
        skips++;
        const { received } = watcher;
        let same = 0;
        while (same < received.length && received[same] === bytes[same]) same++;
        // By chance the first bytes after the cut may be what would have followed.
        const cut = [...units].filter((unit) => unit <= same).toReversed();
        const found = cut.slice(0, 200).some((unit) => {
          const before = bytes.subarray(0, unit);
          return joinOfRest(stream, received, before);
        });
        expect(found).toBe(true);
      }
      if (stream.joins.size > 20 && bytes.length > 2 * 8192) expect(skips).toBeGreaterThan(0);
    });
  });
}

/** Whether `received` is `before`, what may be repeated, and the stream from a join point on to where the sender stopped. */
function joinOfRest({ late, joins }: Marked, received: Uint8Array, before: Uint8Array): boolean {
  for (const [offset, header] of joins) {
    if (offset < before.length) continue;
    const skipped = before.length + header.resume.length;
    const rest = received.subarray(skipped);
    if (Buffer.compare(received.subarray(0, before.length), before) !== 0) return false;
    if (Buffer.compare(received.subarray(before.length, skipped), header.resume) !== 0) continue;
    if (Buffer.compare(rest, late.subarray(offset, offset + rest.length)) === 0) return true;
  }
  return false;
}
