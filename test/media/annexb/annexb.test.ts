// NAL units out of a byte stream, and the bits inside one.

import { describe, expect, test } from "bun:test";
import { Bits } from "../../../src/media/annexb/bits.ts";
import { NalScanner } from "../../../src/media/annexb/nal.ts";
import { ParameterSets } from "../../../src/media/annexb/parametersets.ts";
import { noise, random } from "../recorder.ts";

const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(" ", ""));

/** What a scanner that wants `wanted` bytes of each unit finds, fed in pieces of those sizes. */
function scanned(bytes: Uint8Array, wanted: number, size: () => number): string[] {
  const found: string[] = [];
  const scanner = new NalScanner({
    wanted: () => wanted,
    nal: (unit, length, whole, offset) =>
      found.push(`${offset} ${unit.subarray(0, length).toHex()} ${whole ? "whole" : "cut"}`),
  });
  for (let at = 0; at < bytes.length; ) {
    const to = Math.min(bytes.length, at + size());
    scanner.feed(bytes.slice(at, to), 0, to - at, at);
    at = to;
  }
  return found;
}

/** `payload` as it stands in a NAL unit: with emulation prevention bytes (7.4.1). */
function escaped(payload: ArrayLike<number>): Uint8Array {
  const bytes: number[] = [];
  for (const byte of Array.from(payload)) {
    if (byte <= 3 && bytes.at(-1) === 0 && bytes.at(-2) === 0) bytes.push(3);
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

/** The bytes of a text of zeros and ones. */
const ofBits = (text: string) => (text.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2));

const whole = () => Number.POSITIVE_INFINITY;

describe("the scanner", () => {
  test("finds units behind 3- and 4-byte start codes, without the zeros that trail them", () => {
    const stream = hex("00000001 6742 000001 68ce00 00000001 0000 000001 65 88 000003 00 000001 ff");
    expect(scanned(stream, 100, whole)).toEqual(["0 6742 whole", "6 68ce whole", "17 6588000003 whole"]);
  });

  test("counts one zero before the three bytes to the unit that follows, further ones to neither", () => {
    expect(scanned(hex("000001 41 0000000000 01 42 000001"), 100, whole)).toEqual([
      "0 41 whole",
      "6 42 whole",
    ]);
  });

  test("hands over as many bytes as are wanted as soon as they are there", () => {
    const stream = hex("000001 0102030405060708");
    expect(scanned(stream, 3, whole)).toEqual(["0 010203 cut"]);
    expect(scanned(stream, 8, whole)).toEqual(["0 0102030405060708 cut"]);
    expect(scanned(stream, 9, whole)).toEqual([]);
  });

  test("gives the same whatever the pieces", () => {
    const next = random(3);
    for (let seed = 0; seed < 60; seed++) {
      // Mostly zeros and ones: as many start codes as can be, at all distances.
      const bytes = noise(400, seed).map((byte) => (byte < 120 ? 0 : byte < 200 ? 1 : byte));
      const wanted = 1 + next(20);
      const all = scanned(bytes, wanted, whole);
      expect(all.length).toBeGreaterThan(5);
      expect(scanned(bytes, wanted, () => 1)).toEqual(all);
      expect(scanned(bytes, wanted, () => 1 + next(9))).toEqual(all);
    }
  });

  test("finds the start codes that a search byte for byte finds", () => {
    for (let seed = 0; seed < 60; seed++) {
      const bytes = noise(300, seed).map((byte) => (byte < 170 ? 0 : byte < 230 ? 1 : byte));
      const expected = [];
      for (let at = 2; at + 1 < bytes.length; at++)
        if (bytes[at] === 1 && bytes[at - 1] === 0 && bytes[at - 2] === 0) expected.push(at);
      const found = scanned(bytes, 1, whole).map((line) => Number(line.split(" ")[0]));
      const starts = expected.map((at) => (at > 2 && bytes[at - 3] === 0 ? at - 3 : at - 2));
      expect(found).toEqual(starts);
    }
  });

  test("hands over the last unit when the stream has ended", () => {
    const found: string[] = [];
    const scanner = new NalScanner({
      wanted: () => 50,
      nal: (unit, length, whole) => found.push(`${unit.subarray(0, length).toHex()} ${whole}`),
    });
    const bytes = hex("000001 65 88");
    scanner.feed(bytes, 0, bytes.length, 0);
    scanner.finish();
    scanner.finish();
    expect(found).toEqual(["6588 true"]);
    // The zeros before are forgotten as well.
    scanner.feed(hex("01 41 42"), 0, 3, 5);
    scanner.finish();
    expect(found).toHaveLength(1);
  });
});

describe("bits", () => {
  test("leave out emulation prevention bytes", () => {
    const bits = new Bits(hex("ff 0000 03 01 0000 03"), 1, 8);
    expect(bits.u(24)).toBe(1);
    expect(bits.over).toBe(false);
    expect(bits.u(16)).toBe(0);
    expect(bits.over).toBe(false);
    expect(bits.bit()).toBe(0);
    expect(bits.over).toBe(true);
  });

  test("are passed over in any number, inside of bytes and across them", () => {
    const text = [...noise(40, 1)].map((byte) => byte.toString(2).padStart(8, "0")).join("");
    for (let from = 0; from < 20; from++)
      for (const count of [0, 1, 7, 8, 9, 16, 100]) {
        const bits = new Bits(noise(40, 1), 0, 40);
        bits.skip(from);
        bits.skip(count);
        expect(bits.u(12)).toBe(Number.parseInt(text.slice(from + count, from + count + 12), 2));
      }
  });

  test("are Exp-Golomb numbers, signed and unsigned", () => {
    // 1 010 011 00100 00101: 0 1 2 3 4
    const unsigned = new Bits(hex("a6 42 80"), 0, 3);
    expect([0, 1, 2, 3, 4].map(() => unsigned.ue())).toEqual([0, 1, 2, 3, 4]);
    const signed = new Bits(hex("a6 42 80"), 0, 3);
    expect([0, 1, 2, 3, 4].map(() => signed.se())).toEqual([0, 1, -1, 2, -2]);
  });

  test("are the same, in whatever portions they are read", () => {
    const roll = random(7);
    for (let round = 1; round <= 200; round++) {
      // many zeros, and so many emulation prevention bytes
      const payload = noise(30, round).map((byte) => (byte < 120 ? 0 : byte < 140 ? 3 : byte));
      const text = [...payload].map((byte) => byte.toString(2).padStart(8, "0")).join("");
      const bytes = escaped(payload);
      const bits = new Bits(bytes, 0, bytes.length);
      for (let at = 0; at < text.length; ) {
        const count = roll(33);
        const wanted = text.slice(at, at + count).padEnd(count, "0");
        expect(bits.u(count)).toBe(count === 0 ? 0 : Number.parseInt(wanted, 2));
        at += count;
        expect(bits.over).toBe(at > text.length);
      }
    }
  });

  test("are Exp-Golomb numbers with up to 32 zeros", () => {
    for (let zeros = 0; zeros <= 32; zeros++) {
      const bytes = escaped(ofBits(`${"0".repeat(zeros)}1${"1".repeat(zeros)}`.padEnd(80, "1")));
      const bits = new Bits(bytes, 0, bytes.length);
      expect(bits.ue()).toBe(2 ** (zeros + 1) - 2);
      expect(bits.u(3)).toBe(7);
      expect(bits.over).toBe(false);
    }
    const tooLong = new Bits(escaped([0, 0, 0, 0, 0x40, 0xff]), 0, 6);
    expect(tooLong.ue()).toBe(0);
    expect(tooLong.over).toBe(true);
  });

  test("end with zeros, and never without an end", () => {
    const bits = new Bits(new Uint8Array(100), 0, 100);
    expect(bits.ue()).toBe(0);
    expect(bits.over).toBe(true);
    bits.skip(1e12);
  });
});

describe("parameter sets", () => {
  test("are joined in the order of kind and id, the newest of each", () => {
    const sets = new ParameterSets();
    sets.keep(1, 0, hex("68aa"), 2);
    sets.keep(0, 1, hex("67bb"), 2);
    expect(sets.keep(0, 0, hex("67cc"), 2)).toBe(true);
    expect(sets.keep(0, 0, hex("67dd"), 2)).toBe(true);
    expect(sets.joined().toHex()).toBe("0000000167dd0000000167bb0000000168aa");
    const before = sets.joined();
    expect(sets.keep(0, 0, hex("67dd"), 2)).toBe(false);
    expect(sets.joined()).toBe(before);
    sets.drop(0, 1);
    expect(sets.joined().toHex()).toBe("0000000167dd0000000168aa");
    expect([0, 1, 2].map((kind) => sets.has(kind))).toEqual([true, true, false]);
  });
});
