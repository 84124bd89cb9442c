// The server's side of a handshake, held to the vectors: whole, byte by byte, at random splits, and truncated.

import { describe, expect, test } from "bun:test";
import { HandshakeDecoder, type HandshakeResult } from "../../src/protocol/handshake.ts";
import { requestKeys, type Start } from "../../src/protocol/keys.ts";
import type { Intent, Request } from "../../src/protocol/request.ts";
import { cuts, dice, pieces, singly } from "./dice.ts";
import { type Vector, vector, vectors } from "./vectors.ts";

const limits = { maxPreambleBytes: 8192, maxRequestBytes: 4096 };

describe.each(vectors("request-", "refused-"))("$file: $name", (given) => {
  const outcome = expected(given);
  const { bytes } = given;

  test("gives what is expected when it comes whole", () => {
    expect(plain(feed([bytes]))).toEqual(outcome(bytes.length));
  });

  test("is decided by its last byte and not before when it comes byte by byte", () => {
    const decoder = new HandshakeDecoder(limits);
    let at = 0;
    let result: HandshakeResult = { type: "more" };
    for (const byte of singly(bytes)) {
      if (result.type !== "more") break;
      result = decoder.feed(byte);
      at++;
    }
    expect(at).toBe(decidedAt(given));
    expect(plain(result)).toEqual(outcome(at));
  });

  test("is the same in two pieces, wherever the cut is", () => {
    for (const at of cuts(bytes.length, dice(1))) {
      expect(joined(bytes, [bytes.slice(0, at), bytes.slice(at)])).toEqual(outcome(bytes.length));
    }
  });

  test("is the same at random splits", () => {
    const roll = dice(bytes.length);
    for (let round = 0; round < 20; round++) {
      expect(joined(bytes, pieces(bytes, roll))).toEqual(outcome(bytes.length));
    }
  });

  test("is undecided while it is truncated", () => {
    for (const at of cuts(bytes.length, dice(2))) {
      expect(plain(feed([bytes.slice(0, at)]))).toEqual(outcome(at));
    }
  });
});

describe.each(vectors("more-"))("$file: $name", ({ bytes }) => {
  test("is undecided, whole, byte by byte and truncated", () => {
    expect(feed([bytes]).type).toBe("more");
    expect(feed(singly(bytes)).type).toBe("more");
    for (const at of cuts(bytes.length, dice(3))) expect(feed([bytes.slice(0, at)]).type).toBe("more");
  });
});

test("the limits are those that were given", () => {
  expect(decide("ab\n\n", "watch,user=fier")).toBe("request");
  expect(decide("abc\n\n", "watch,user=fier")).toBe("refused");
  expect(decide("ab\n\n", "watch,user=fier1")).toBe("refused");
  expect(decide("\n\n", "watch,user=fier", { maxPreambleBytes: 2, maxRequestBytes: 15 })).toBe("request");
  expect(decide("a\n\n", "watch,user=fier", { maxPreambleBytes: 2, maxRequestBytes: 15 })).toBe("refused");
});

test("a refusal says what is wrong and what would be right", () => {
  expect(messageFor("refused-preamble-too-long")).toContain("8192");
  expect(messageFor("refused-length-4gib")).toContain("4294967295");
  expect(messageFor("refused-length-4gib")).toContain("4096");
  expect(messageFor("refused-null-missing")).toContain("null byte");
  expect(messageFor("refused-length-zero")).toContain("empty");
  expect(messageFor("refused-utf8-broken")).toContain("UTF-8");
  expect(messageFor("refused-intent-unknown")).toContain('"listen"');
  expect(messageFor("refused-intent-unknown")).toContain("watch, broadcast, token or end");
  expect(messageFor("refused-end-id-missing")).toContain("id is missing");
  expect(messageFor("refused-end-no-reply")).toContain("reply=1");
  expect(messageFor("refused-user-missing")).toContain("user");
  expect(messageFor("refused-user-newline")).toContain("user");
  expect(messageFor("refused-channel-newline")).toContain("channel");
  expect(messageFor("refused-channel-256")).toContain("255");
  expect(messageFor("refused-start-word")).toContain("join, next, live");
  expect(messageFor("refused-lag-bad")).toContain("lag");
  expect(messageFor("refused-wait-word")).toContain("wait");
  expect(messageFor("refused-bufsize-word")).toContain("bufsize");
  expect(messageFor("refused-reply-bad")).toContain("reply");
  expect(messageFor("refused-starred-bad-hex")).toContain("channel*=");
});

test("an unknown intent is named in short, however long it is", () => {
  const result = feed([handshake("x".repeat(4000))]);
  expect(result.type === "refused" && result.error.message.length).toBeLessThan(100);
});

test("a decoder that is done is not fed again", () => {
  const decoder = new HandshakeDecoder(limits);
  decoder.feed(handshake("watch,user=fier"));
  expect(() => decoder.feed(Uint8Array.of(0))).toThrow("after its end");
  for (const refused of [handshake("nothing"), vector("refused-length-4gib").bytes]) {
    const refusing = new HandshakeDecoder(limits);
    refusing.feed(refused);
    expect(() => refusing.feed(Uint8Array.of(0))).toThrow("after its end");
  }
});

test("what was fed is not touched, and what is handed back is the very bytes", () => {
  const bytes = Buffer.concat([handshake("watch,user=fier"), Buffer.from([1, 2, 3])]);
  const before = Buffer.from(bytes);
  const result = new HandshakeDecoder(limits).feed(bytes);
  expect(bytes.equals(before)).toBe(true);
  expect(result.type === "request" && result.rest.buffer === bytes.buffer).toBe(true);
});

function handshake(text: string): Buffer {
  const prefix = Buffer.from([10, 10, 0, 0, 0, 0, 0]);
  prefix.writeUInt32BE(Buffer.byteLength(text), 2);
  return Buffer.concat([prefix, Buffer.from(text)]);
}

function decide(preamble: string, text: string, own = { maxPreambleBytes: 4, maxRequestBytes: 15 }): string {
  const bytes = Buffer.from(`${preamble}\0\0\0${String.fromCharCode(text.length)}\0${text}`, "latin1");
  return new HandshakeDecoder(own).feed(bytes).type;
}

function messageFor(file: string): string {
  const result = feed([vector(file).bytes]);
  return result.type === "refused" ? result.error.message : "";
}

/** What the decoder says to `parts`; those after its decision are left alone. */
function feed(parts: readonly Uint8Array[]): HandshakeResult {
  const decoder = new HandshakeDecoder(limits);
  for (const part of parts) {
    const result = decoder.feed(part);
    if (result.type !== "more") return result;
  }
  return { type: "more" };
}

/** The same with the parts after the decision added to what is handed back, as a session sees it. */
function joined(bytes: Uint8Array, parts: readonly Uint8Array[]): unknown {
  const decoder = new HandshakeDecoder(limits);
  let fed = 0;
  for (const part of parts) {
    const result = decoder.feed(part);
    fed += part.length;
    if (result.type === "request") {
      return plain({ ...result, rest: Buffer.concat([result.rest, bytes.subarray(fed)]) });
    }
    if (result.type === "refused" || result.type === "http") return plain(result);
  }
  return { type: "more" };
}

/** A result as something to compare: bytes as hex, errors by code. */
function plain(result: HandshakeResult): unknown {
  if (result.type === "more") return { type: "more" };
  if (result.type === "http") return { type: "http", request: result.request };
  if (result.type === "refused") return { type: "refused", code: result.error.code, answered: result.reply };
  return { type: "request", request: result.request, rest: Buffer.from(result.rest).toString("hex") };
}

function decidedAt({ bytes, fields, rest, expect }: Vector): number {
  return expect === "request" ? bytes.length - rest : Number(fields.get("refused_at"));
}

/** What a vector promises once so many of its bytes have come. */
function expected(given: Vector): (length: number) => unknown {
  const { bytes, fields, expect } = given;
  return (length) => {
    if (length < decidedAt(given)) return { type: "more" };
    if (expect === "refused") {
      return { type: "refused", code: fields.get("code"), answered: fields.get("answered") ?? false };
    }
    const rest = Buffer.from(bytes.subarray(decidedAt(given), length)).toString("hex");
    return { type: "request", request: requestOf(fields), rest };
  };
}

/** The request that a vector has: what it does not name is as if left out. */
function requestOf(fields: ReadonlyMap<string, unknown>): Request {
  const intent = fields.get("intent") as Intent;
  const request: Record<string, unknown> = { intent, query: fields.get("query") ?? "" };
  for (const [field, { key, read }] of Object.entries(requestKeys[intent])) {
    if (!fields.has(key)) request[field] = key === "reply" && intent === "end" ? true : read(undefined);
    else request[field] = key === "start" ? startOf(fields.get(key)) : fields.get(key);
  }
  return request as Request;
}

/** A duration is a number, its milliseconds. */
function startOf(value: unknown): Start {
  return typeof value === "number"
    ? { type: "back", ms: value }
    : { type: value as "join" | "next" | "live" };
}
