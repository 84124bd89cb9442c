import { expect, test } from "bun:test";
import { ChunkRejoin, JoinRejoin } from "../../src/client/rejoin.ts";
import { concat } from "../../src/media/bytes.ts";
import type { Detector, Header, Sink } from "../../src/media/detector.ts";
import { fmp4 } from "../../src/media/mp4/fmp4.ts";
import { capture, patched } from "../media/capture.ts";
import { fixture } from "../media/recorder.ts";

/** A toy container: `H` is a one-byte header, `K` a join point, `?` turns it opaque. */
function toy(sink: Sink): Detector {
  const state = { lost: false };
  return {
    info: { container: "toy", mediaType: "", codecs: [], damaged: 0 },
    get lost() {
      return state.lost;
    },
    feed(bytes, offset) {
      bytes.forEach((byte, index) => {
        const letter = String.fromCharCode(byte);
        if (letter === "H") sink.header(headerOf(`<head ${offset + index}>`));
        if (letter === "K") sink.join(offset + index);
        if (letter === "?") state.lost = true;
      });
    },
  };
}

function headerOf(text: string): Header {
  const none = new Uint8Array(0);
  return { start: Buffer.from(text), resume: none, fixed: "", bytes: text.length };
}

const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const shown = (pieces: readonly Uint8Array[] | undefined) => pieces && Buffer.concat(pieces).toString();

test("before any join point the whole stream is one, from its first byte", () => {
  const rejoin = new JoinRejoin(toy);
  expect(shown(rejoin.start(false))).toBe("");
  rejoin.feed(bytes("ab"));
  rejoin.feed(bytes("cd"));
  expect(shown(rejoin.start(false))).toBe("abcd");
});

test("it goes on with the header and the newest join point, wherever the pieces end", () => {
  const stream = "HxxKaaaKbbbbb";
  for (let size = 1; size <= stream.length; size++) {
    const rejoin = new JoinRejoin(toy);
    for (let at = 0; at < stream.length; at += size) rejoin.feed(bytes(stream.slice(at, at + size)));
    expect([size, shown(rejoin.start(false))]).toEqual([size, "<head 0>Kbbbbb"]);
  }
});

test("a header that comes after a join point is not for that join point", () => {
  const rejoin = new JoinRejoin(toy);
  rejoin.feed(bytes("HKaH"));
  expect(shown(rejoin.start(false))).toBe("<head 0>KaH");
  rejoin.feed(bytes("K"));
  expect(shown(rejoin.start(false))).toBe("<head 3>K");
});

test("opaque data go on at the next byte", () => {
  const rejoin = new JoinRejoin(toy);
  rejoin.feed(bytes("K??"));
  expect(rejoin.start(false)).toEqual([]);
});

test("a join point that is no longer in the window of 16 MiB is waited for anew", () => {
  const rejoin = new JoinRejoin(toy);
  rejoin.feed(bytes("HK"));
  const piece = new Uint8Array(1024 * 1024);
  for (let i = 0; i < 15; i++) rejoin.feed(piece);
  expect(rejoin.start(false)?.reduce((sum, { length }) => sum + length, 0)).toBe(8 + 1 + 15 * piece.length);
  rejoin.feed(piece);
  expect(rejoin.start(false)).toBeUndefined();
  expect(shown(rejoin.start(true))).toBe("<head 0>");
  rejoin.feed(bytes("xKy"));
  expect(shown(rejoin.start(false))).toBe("<head 0>Ky");
});

test("chunks go on at the newest chunk's first byte if it is at hand, else at the next one's", () => {
  const rejoin = new ChunkRejoin(4);
  expect(rejoin.start(false)).toEqual([]);
  rejoin.feed(bytes("01"));
  expect(shown(rejoin.start(false))).toBe("01");
  rejoin.feed(bytes("2"));
  expect(rejoin.start(false)).toBeUndefined();
  expect(rejoin.start(true)).toEqual([]);
  rejoin.feed(bytes("345"));
  expect(shown(rejoin.start(false))).toBe("45");
  rejoin.feed(bytes("67"));
  expect(rejoin.start(false)).toEqual([]);
});

test("places that a stream gives by their distance from its first byte are made right once some of it was left out", async () => {
  const whole = capture(fmp4, await fixture("fmp4-absolute.mp4"));
  const { bytes: stream, joins } = whole;
  const late = patched(whole);
  const [, second, third] = joins;
  for (const size of [1, 7, 1000, stream.length]) {
    const rejoin = new JoinRejoin();
    const sent: Uint8Array[] = [];
    let at = 0;
    const feedTo = (end: number, isSent: boolean) => {
      for (; at < end; at += size) {
        const piece = stream.slice(at, Math.min(end, at + size));
        rejoin.feed(piece);
        if (isSent) sent.push(...rejoin.sendable(piece));
      }
      at = end;
    };
    // As it is at first; then some of it is lost, in the middle of a unit, and again.
    feedTo(second.offset + 100, true);
    expect(concat(sent)).toEqual(stream.subarray(0, second.offset + 100));
    for (const lost of [second.offset + 3000, third.offset + 3000]) {
      feedTo(lost, false);
      sent.length = 0;
      const join = lost > third.offset ? third : second;
      sent.push(...(rejoin.start(false) ?? []));
      feedTo(lost + 400, true);
      expect(concat(sent)).toEqual(concat([join.header.start, late.subarray(join.offset, lost + 400)]));
    }
    feedTo(stream.length - 30, true);
    sent.push(...rejoin.rest());
    expect(concat(sent)).toEqual(
      concat([third.header.start, late.subarray(third.offset, stream.length - 30)]),
    );
    expect(rejoin.rest()).toEqual([]);
  }
});

test("a stream that goes on from its first byte stays as it is", async () => {
  const stream = await fixture("fmp4-absolute.mp4");
  const { joins } = capture(fmp4, stream);
  const rejoin = new JoinRejoin();
  const early = stream.slice(0, joins[0].offset - 10);
  rejoin.feed(early);
  const sent = [...(rejoin.start(false) ?? [])];
  const rest = stream.slice(early.length);
  rejoin.feed(rest);
  sent.push(...rejoin.sendable(rest), ...rejoin.rest());
  expect(concat(sent)).toEqual(stream);
});

test("what is cut off in the middle of such a place is sent at the end as it is", async () => {
  const { bytes: stream, joins, patches } = capture(fmp4, await fixture("fmp4-absolute.mp4"));
  const rejoin = new JoinRejoin();
  const end = joins[2].offset + 20;
  rejoin.feed(stream.slice(0, end));
  const sent = rejoin.start(false) ?? [];
  const from = joins[1].offset;
  const late = patched({ bytes: stream, patches }).subarray(from, joins[2].offset);
  expect(concat(sent)).toEqual(concat([joins[1].header.start, late]));
  expect(concat(rejoin.rest())).toEqual(stream.slice(joins[2].offset, end));
});
