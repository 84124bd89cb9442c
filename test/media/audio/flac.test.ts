// FLAC: the header that joiners get, and frames distinguished from what only looks like one.

import { describe, expect, test } from "bun:test";
import { flac } from "../../../src/media/audio/flac.ts";
import { fingerprint } from "../../../src/media/fingerprint.ts";
import { concat, fixture, noise, Recorder } from "../recorder.ts";

/** "fLaC" with a STREAMINFO of 576 samples a block, 48 kHz, stereo, 16 bits, and a comment block. */
function metadata({ last = false, samples = 0 } = {}): Uint8Array {
  const info = new Uint8Array(34);
  info.set([2, 0x40, 2, 0x40, 0, 0, 1, 0, 2, 0, 0x0b, 0xb8, 0x02, 0xf0, 0, 0, 0, samples]);
  info.fill(samples === 0 ? 0 : 0xab, 18);
  const head = concat(new TextEncoder().encode("fLaC"), Uint8Array.of(last ? 0x80 : 0, 0, 0, 34), info);
  return last ? head : concat(head, Uint8Array.of(0x84, 0, 0, 5), noise(5, 1));
}

/** CRC-8 as RFC 9639, 9.1.8 defines it, bit by bit. */
function crc8(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      const carry = (crc >> 7) ^ ((byte >> bit) & 1);
      crc = ((crc << 1) & 0xff) ^ (carry === 1 ? 0x07 : 0);
    }
  }
  return crc;
}

/** A frame header with this number (below 128), and `size` bytes of zeros. */
function frame(number: number, size = 200, { channels = 1, bits = 4, blocking = 0xf8 } = {}): Uint8Array {
  const header = Uint8Array.of(0xff, blocking, 0x2a, (channels << 4) | (bits << 1), number);
  return concat(header, Uint8Array.of(crc8(header)), new Uint8Array(size));
}

function followed(bytes: Uint8Array) {
  const recorder = new Recorder();
  const detector = flac.create(recorder);
  detector.feed(bytes, 0);
  return { recorder, detector };
}

const start = metadata().length;

describe("FLAC", () => {
  test("joins at every frame, with the stream's parameters alone as header", () => {
    const { recorder } = followed(concat(metadata({ samples: 99 }), frame(0), frame(1), frame(2)));
    expect(recorder.joins).toEqual([start, start + 206, start + 412]);
    const bare = metadata({ last: true });
    bare.fill(0, 12, 18); // frame sizes
    expect(recorder.newest?.start).toEqual(bare);
    expect(recorder.newest?.resume.length).toBe(0);
    expect(recorder.newest?.fixed).toBe(fingerprint(Uint8Array.of(0x0b, 0xb8, 0x02, 0xf0)));
  });

  test("does not take for a frame what has another number, a wrong CRC or other parameters", () => {
    const wrong = frame(1);
    wrong[5] ^= 1;
    const bytes = concat(
      metadata(),
      frame(0),
      wrong,
      frame(7),
      frame(1, 50, { bits: 6 }),
      frame(1, 50, { channels: 0 }),
    );
    const { recorder, detector } = followed(concat(bytes, frame(1), new Uint8Array(50)));
    expect(recorder.joins).toEqual([start, bytes.length]);
    expect(detector.info.damaged).toBe(0);
  });

  test("goes on after missing frames with the second one that fits, and counts it", () => {
    const bytes = concat(metadata(), frame(0), noise(100, 4), frame(5), frame(6), frame(7));
    const { recorder, detector } = followed(bytes);
    expect(recorder.joins).toEqual([start, bytes.length - 412, bytes.length - 206]);
    expect(detector.info.damaged).toBe(1);
  });

  test("counts in samples where blocks vary in size", () => {
    const varying = { blocking: 0xf9 };
    // 576 samples a block: the second one's number takes two bytes.
    const header = Uint8Array.of(0xff, 0xf9, 0x2a, 0x18, 0xc9, 0x80);
    const second = concat(header, Uint8Array.of(crc8(header)), new Uint8Array(100));
    const { recorder } = followed(concat(metadata(), frame(0, 200, varying), second));
    expect(recorder.joins).toEqual([start, start + 206]);
  });

  test("begins anew with another header in mid-stream, even where pieces part it", () => {
    const first = concat(metadata(), frame(0), frame(1));
    const bytes = concat(first, metadata({ last: true }), frame(0), frame(1));
    const whole = followed(bytes).recorder;
    expect(whole.headers.length).toBe(2);
    expect(whole.units).toEqual([first.length]);
    expect(whole.joins.slice(2)).toEqual([first.length + 42, first.length + 248]);
    for (let cut = first.length - 20; cut < first.length + 60; cut++) {
      const recorder = new Recorder();
      const detector = flac.create(recorder);
      detector.feed(bytes.subarray(0, cut), 0);
      detector.feed(bytes.subarray(cut), cut);
      expect(recorder.calls).toEqual(whole.calls);
    }
  });

  test("follows a stream whose first frame has any number", () => {
    expect(followed(concat(metadata(), frame(40), frame(41))).recorder.joins).toEqual([start, start + 206]);
  });

  test("is lost without frames", () => {
    expect(followed(concat(metadata(), frame(0), new Uint8Array(90_000))).detector.lost).toBe(true);
  });

  test("says yes to the marker with a STREAMINFO, and not to the marker alone", () => {
    expect(flac.sniff(metadata().subarray(0, 8))).toBe("yes");
    expect(flac.sniff(metadata().subarray(0, 7))).toBe("more");
    expect(flac.sniff(new TextEncoder().encode("fLaC is a codec"))).toBe("no");
  });

  test("finds every frame that ffmpeg wrote", async () => {
    // 0.3 s of 48 kHz in blocks of 576 samples.
    expect(followed(await fixture("flac-stereo.flac")).recorder.joins.length).toBe(25);
  });
});
