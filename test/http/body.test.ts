// A request's body is the same however it is cut into pieces; nothing is kept of it; and what breaks the rules is refused at
// the byte that does.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { BodyDecoder, type Progress } from "../../src/http/body.ts";
import type { Framing } from "../../src/http/framing.ts";
import { dice, pieces, singly } from "../protocol/dice.ts";
import { opaque } from "../relay/streams.ts";

// On a machine that does much else.
setDefaultTimeout(60_000);

const chunked: Framing = { type: "chunked" };

/** Feeds all of the bytes, however many feeds that takes. */
function feedAll(decoder: BodyDecoder, bytes: Uint8Array, take: (bytes: Uint8Array) => void): Progress {
  for (let at = 0; ; ) {
    const progress = decoder.feed(bytes.subarray(at), take);
    if (progress.type !== "more") return progress;
    at += progress.taken;
    if (at === bytes.length) return progress;
  }
}

/** What comes of a body given in these pieces: how it ends, and the bytes of the stream before that. */
function read(
  framing: Framing,
  parts: readonly Uint8Array[],
): { readonly how: string; readonly got: Buffer } {
  const decoder = new BodyDecoder(framing);
  const got: Uint8Array[] = [];
  let how: string | undefined;
  for (const part of parts) {
    // What a socket gave is used again: views of it must not be kept.
    const buffer = new Uint8Array(part);
    const progress = feedAll(decoder, buffer, (bytes) => got.push(new Uint8Array(bytes)));
    buffer.fill(0xee);
    if (progress.type === "malformed") how = `malformed: ${progress.message}`;
    if (how === undefined && progress.type === "complete") how = "complete";
    if (progress.type === "malformed") break;
  }
  return { how: how ?? `${decoder.end()} at the end`, got: Buffer.concat(got) };
}

const text = (framing: Framing, body: string) => {
  const { how, got } = read(framing, [Buffer.from(body, "latin1")]);
  return `${how} | ${got.toString("latin1")}`;
};

const length = (bytes: number): Framing => ({ type: "length", bytes });
const ignore = () => {};

/** The sizes of the pieces in which a body in chunks is handed over. */
function sizes(body: Uint8Array): number[] {
  const handed: number[] = [];
  feedAll(new BodyDecoder(chunked), new Uint8Array(body), (bytes) => handed.push(bytes.length));
  return handed;
}

/** A body in chunks of all sizes, small ones above all, some with extensions, some with a trailer. */
function inChunks(stream: Uint8Array, roll: (below: number) => number): Buffer {
  const parts: (Uint8Array | string)[] = [];
  for (let at = 0; at < stream.length; ) {
    const size = 1 + roll([1, 4, 300, 3000, 20_000][roll(5)]);
    const chunk = stream.subarray(at, at + size);
    const digits = roll(2) === 0 ? chunk.length.toString(16) : chunk.length.toString(16).toUpperCase();
    const extension = roll(4) === 0 ? `;name="v ${"x".repeat(roll(100))}"` : "";
    parts.push(`${"0".repeat(roll(3))}${digits}${extension}\r\n`, chunk, "\r\n");
    at += chunk.length;
  }
  parts.push("0\r\n", roll(3) === 0 ? "Expires: never\r\nX-Sum: 1\r\n" : "", "\r\n");
  return Buffer.concat(parts.map((part) => Buffer.from(part as Uint8Array)));
}

describe("a body in chunks", () => {
  test("is its chunks' bytes, whole, byte by byte, and at random splits", () => {
    for (let seed = 0; seed < 60; seed++) {
      const roll = dice(seed);
      const stream = opaque(roll([1, 50, 9000, 100_000][seed % 4]), seed);
      const body = inChunks(stream, roll);
      const ways = [[body], pieces(body, roll), pieces(body, roll)];
      if (body.length < 20_000) ways.push(singly(body));
      for (const parts of ways) {
        const { how, got } = read(chunked, parts);
        expect([how, got.equals(stream)]).toEqual(["complete", true]);
      }
    }
  });

  test("that is cut off anywhere is truncated, and what came of it was handed over", () => {
    const stream = opaque(100);
    const body = Buffer.concat([
      Buffer.from("40;a=b\r\n"),
      stream.subarray(0, 64),
      Buffer.from("\r\n24\r\n"),
      stream.subarray(64),
      Buffer.from("\r\n0\r\nA: b\r\n\r\n"),
    ]);
    for (let end = 0; end < body.length; end++) {
      const { how, got } = read(chunked, [body.subarray(0, end)]);
      expect(how).toBe("truncated at the end");
      expect(got.equals(stream.subarray(0, got.length))).toBe(true);
      expect(got.length).toBeGreaterThanOrEqual(Math.min(100, end - 14));
    }
    expect(read(chunked, [body]).how).toBe("complete");
  });

  test("that is damaged comes to the same in whatever pieces, and nothing is thrown", () => {
    const scraps = ["\r", "\n", "\r\n", "0", "f", ";", "\0", " ", "0\r\n\r\n", "ffffffffffff", "\r\n1\r\n"];
    const ends = new Map<string, number>();
    for (let seed = 0; seed < 800; seed++) {
      const roll = dice(seed);
      const body = inChunks(opaque(roll(400), seed), roll);
      const at = roll(body.length);
      const scrap = Buffer.from(scraps[roll(scraps.length)], "latin1");
      const damaged = Buffer.concat([body.subarray(0, at), scrap, body.subarray(at + roll(3))]);
      const whole = read(chunked, [damaged]);
      for (const parts of [singly(damaged), pieces(damaged, roll)]) {
        const { how, got } = read(chunked, parts);
        expect([seed, how, got.equals(whole.got)]).toEqual([seed, whole.how, true]);
      }
      const how = whole.how.split(" ")[0];
      ends.set(how, (ends.get(how) ?? 0) + 1);
    }
    expect([...ends.keys()].toSorted()).toEqual(["complete", "malformed:", "truncated"]);
  });

  test("in a size, an extension, a line end or a trailer that breaks the rules is malformed", () => {
    const digits = "a chunk size is not a hexadecimal number";
    const cases: [body: string, message: string, before?: string][] = [
      ["\r\n", "a chunk has no size"],
      [";a\r\n", "a chunk has no size"],
      [" 1\r\na\r\n", "a chunk has no size"],
      ["-1\r\n", "a chunk has no size"],
      ["0x1\r\na", digits],
      ["1 \r\na", digits],
      ["1\na\r\n", digits],
      ["1_0\r\n", digits],
      ["1.\r\n", digits],
      ["1\r\ra", "a chunk size line does not end with CR LF"],
      ["1;a\rb\r\n", "a chunk size line does not end with CR LF"],
      ["1;a\nb\r\n", "a control character in chunk extensions"],
      ["1;a\0\r\n", "a control character in chunk extensions"],
      ["1\r\nab\r\n", "a chunk is longer than its size", "a"],
      ["1\r\na\n0\r\n", "a chunk is longer than its size", "a"],
      ["1\r\na\rb", "a chunk does not end with CR LF", "a"],
      ["2\r\na\r\n1\r\nb\r\n", "a chunk is longer than its size", "a\r"],
      [`${"0".repeat(12)}1\r\n`, "a chunk size has too many digits"],
      ["fffffffffffff\r\n", "a chunk size has too many digits"],
      ["1000000000000000000\r\n", "a chunk size has too many digits"],
      [`1;${"a".repeat(300)}`, "more than 256 bytes of chunk extensions"],
      ["0\r\n\n", "a control character in the trailer"],
      ["0\r\nA: b\n\r\n", "a control character in the trailer"],
      ["0\r\nA: b\rc", "a trailer line does not end with CR LF"],
      ["0\r\n\rA", "the body does not end with CR LF"],
      [`0\r\n${"A: b\r\n".repeat(1100)}\r\n`, "more than 4096 bytes of the trailer"],
    ];
    for (const [body, message, before = ""] of cases) {
      expect([body, text(chunked, body)]).toEqual([body, `malformed: ${message} | ${before}`]);
      const singles = read(chunked, singly(Buffer.from(body, "latin1")));
      expect(`${singles.how} | ${singles.got.toString("latin1")}`).toBe(`malformed: ${message} | ${before}`);
    }
  });

  test("is over at its last chunk, whatever follows", () => {
    expect(text(chunked, "1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n")).toBe("complete | a");
    expect(text(chunked, "0\r\n\r\n")).toBe("complete | ");
    expect(text(chunked, "000;x\r\nA:\tb\r\n\r\n")).toBe("complete | ");
  });

  test("that was malformed stays so", () => {
    const decoder = new BodyDecoder(chunked);
    expect(decoder.feed(Buffer.from("x"), ignore).type).toBe("malformed");
    expect(decoder.feed(Buffer.from("1\r\na\r\n"), ignore).type).toBe("malformed");
    expect([decoder.ahead, decoder.end()]).toEqual([0, "truncated"]);
  });

  test("of one byte each is handed over in few pieces, and large ones as they are", () => {
    const small = Buffer.from("1\r\nx\r\n".repeat(80_000));
    const large = Buffer.from(`8000\r\n${"y".repeat(0x8000)}\r\n`.repeat(16));
    expect(sizes(small).length).toBeLessThan(120);
    expect(sizes(small).reduce((a, b) => a + b)).toBe(80_000);
    expect(sizes(large)).toEqual(Array(16).fill(0x8000));
    expect(sizes(Buffer.concat([small, large, small])).reduce((a, b) => a + b)).toBe(160_000 + 16 * 0x8000);
  });
});

test("of what is between the data of chunks a limited amount is taken at once", () => {
  const ways = ["1\r\nx\r\n".repeat(80_000), `1;${"x".repeat(250)}\r\nx\r\n`.repeat(2000)];
  for (const way of ways) {
    const bytes = Buffer.from(way);
    const progress = new BodyDecoder(chunked).feed(bytes, ignore);
    expect(progress.type === "more" ? progress.taken : bytes.length).toBeLessThan(bytes.length / 50);
  }
  const large = Buffer.from(`80000\r\n${"y".repeat(0x80000)}`);
  expect(new BodyDecoder(chunked).feed(large, ignore)).toEqual({ type: "more", taken: large.length });
});

describe("a body with a length", () => {
  test("is so many bytes, and nothing behind them", () => {
    const stream = opaque(1000);
    for (const parts of [[stream], singly(stream), pieces(stream, dice(1))]) {
      expect(read(length(1000), parts)).toEqual({ how: "complete", got: Buffer.from(stream) });
      expect(read(length(700), parts)).toEqual({
        how: "complete",
        got: Buffer.from(stream.subarray(0, 700)),
      });
      expect(read(length(1001), parts)).toEqual({ how: "truncated at the end", got: Buffer.from(stream) });
    }
    expect(text(length(0), "abc")).toBe("complete | ");
    expect(new BodyDecoder(length(0)).isComplete).toBe(true);
  });

  test("is handed over as views", () => {
    const stream = opaque(1000);
    new BodyDecoder(length(900)).feed(stream, (bytes) => {
      expect([bytes.buffer === stream.buffer, bytes.byteOffset, bytes.length]).toEqual([true, 0, 900]);
    });
  });
});

describe("a body without a length", () => {
  test("goes on until its connection ends in order", () => {
    const stream = opaque(1000);
    for (const parts of [[stream], singly(stream), []]) {
      expect(read({ type: "close" }, parts)).toEqual({
        how: "complete at the end",
        got: Buffer.from(stream.subarray(0, 1000 * Number(parts.length > 0))),
      });
    }
  });
});

describe("bytes that are known to be of the stream", () => {
  test("may be read past the decoder", () => {
    const whole = new BodyDecoder({ type: "length", bytes: 100 });
    expect(whole.ahead).toBe(100);
    whole.pass(60);
    whole.feed(new Uint8Array(10), ignore);
    expect([whole.ahead, whole.isComplete]).toEqual([30, false]);
    whole.pass(30);
    expect([whole.ahead, whole.isComplete]).toEqual([0, true]);

    const inPieces = new BodyDecoder(chunked);
    expect(inPieces.ahead).toBe(0);
    inPieces.feed(Buffer.from("100\r\n0123"), ignore);
    expect(inPieces.ahead).toBe(252);
    inPieces.pass(252);
    expect(inPieces.ahead).toBe(0);
    expect(inPieces.feed(Buffer.from("\r\n0\r\n\r\n"), () => {}).type).toBe("complete");

    const open = new BodyDecoder({ type: "close" });
    open.pass(1e9);
    expect(open.ahead).toBe(Number.POSITIVE_INFINITY);
  });
});
