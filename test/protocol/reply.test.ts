// Reply frames on both sides: what servers make, and how a client tells them from a stream, held to the vectors.

import { describe, expect, test } from "bun:test";
import { FstreamError, isWireCode, meaning } from "../../src/errors.ts";
import {
  encodeError,
  encodeOk,
  maxReplyBytes,
  ReplyDecoder,
  type ReplyResult,
} from "../../src/protocol/reply.ts";
import { cuts, dice, pieces, singly } from "./dice.ts";
import { type Vector, vector, vectors } from "./vectors.ts";

describe.each(vectors("reply-"))("$file: $name", (given) => {
  const { bytes } = given;

  test("gives what is expected when it comes whole", () => {
    expect(plain(new ReplyDecoder().feed(bytes))).toEqual(expected(given, bytes.length));
  });

  test("is decided by the byte that decides it when it comes byte by byte", () => {
    const decoder = new ReplyDecoder();
    let at = 0;
    let result: ReplyResult = { type: "more" };
    for (const byte of singly(bytes)) {
      if (result.type !== "more") break;
      result = decoder.feed(byte);
      at++;
      if (result.type === "more") expect(decoder.kept).toEqual(bytes.slice(0, at));
    }
    expect(at).toBe(Math.min(decidedAt(given), bytes.length));
    expect(plain(result)).toEqual(expected(given, at));
  });

  test("is the same in two pieces and at random splits", () => {
    const roll = dice(bytes.length);
    const halves = cuts(bytes.length, roll).map((at) => [bytes.slice(0, at), bytes.slice(at)]);
    const splits = Array.from({ length: 20 }, () => pieces(bytes, roll));
    for (const parts of [...halves, ...splits]) {
      expect(joined(bytes, parts)).toEqual(expected(given, bytes.length));
    }
  });

  test("is undecided while it is truncated, and what was kept is all there is", () => {
    for (const at of cuts(bytes.length, dice(5))) {
      const decoder = new ReplyDecoder();
      const result = decoder.feed(bytes.slice(0, at));
      expect(plain(result)).toEqual(expected(given, at));
      expect(decoder.kept).toEqual(result.type === "more" ? bytes.slice(0, at) : new Uint8Array(0));
    }
  });
});

test("frames in one segment come out one after the other, and then the stream", () => {
  const decoder = new ReplyDecoder();
  const first = decoder.feed(
    Buffer.concat([encodeOk(), encodeOk([["bytes", "7"]]), Buffer.from("a stream")]),
  );
  if (first.type !== "reply") throw new Error("no frame");
  expect(plain(first)).toMatchObject({ type: "ok", fields: {} });
  const second = decoder.feed(first.rest);
  if (second.type !== "reply") throw new Error("no second frame");
  expect(plain(second)).toMatchObject({ type: "ok", fields: { bytes: "7" } });
  expect(plain(decoder.feed(second.rest))).toEqual({ type: "stream", bytes: hex(Buffer.from("a stream")) });
});

test("frames are found one after the other however they are split", () => {
  const busy = new FstreamError("busy", "later");
  const bytes = Buffer.concat([encodeOk(), encodeOk([["bytes", "12"]]), encodeError(busy)]);
  for (let at = 0; at <= bytes.length; at++) {
    const decoder = new ReplyDecoder();
    const found: string[] = [];
    for (const part of [bytes.subarray(0, at), bytes.subarray(at)]) {
      let result = decoder.feed(part);
      while (result.type === "reply") {
        found.push(
          result.reply.type === "ok" ? JSON.stringify([...result.reply.fields]) : result.reply.error.code,
        );
        result = decoder.feed(result.rest);
      }
    }
    expect(found).toEqual(["[]", '[["bytes","12"]]', "busy"]);
    expect(decoder.kept.length).toBe(0);
  }
});

test("frames by the hundred thousand in one piece cost no more than their bytes", () => {
  // With a copy of the rest for each frame these would be 1.5 terabytes.
  const count = 650_000;
  const frame = encodeOk();
  const flood = new Uint8Array(count * frame.length);
  for (let at = 0; at < flood.length; at += frame.length) flood.set(frame, at);
  const decoder = new ReplyDecoder();
  let result = decoder.feed(flood);
  let found = 0;
  while (result.type === "reply") {
    found++;
    result = decoder.feed(result.rest);
  }
  expect([found, result.type]).toEqual([count, "more"]);
}, 30_000);

test("ok frames are as the specification has them", () => {
  expect(encodeOk()).toEqual(vector("reply-ok").bytes);
  expect(encodeOk([["bytes", "314572800"]])).toEqual(vector("reply-ok-bytes").bytes);
  const token = encodeOk([
    ["token", "AbC-_123"],
    ["expires", "120"],
  ]);
  expect(token).toEqual(vector("reply-ok-token").bytes);
});

test("an error frame carries its code and its message, whatever is in it", () => {
  const messages = ["why", "a, b\n100% ñ 🎥", "%2C", "code=busy,message*=x", "\0\u007f", "a=b"];
  const codes = ["unauthorized", "forbidden", "replaced", "not_live", "slow", "busy", "limit"] as const;
  for (const code of [...codes, "shutting_down", "bad_request"] as const) {
    for (const message of messages) {
      const result = new ReplyDecoder().feed(encodeError(new FstreamError(code, message)));
      expect(plain(result)).toEqual({ type: "error", code, message, rest: "" });
    }
  }
  const bytes = Buffer.from(encodeError(new FstreamError("not_live", "no, nothing"))).toString("latin1");
  expect(bytes).toBe("\0\0\0\x2a\0error,code=not_live,message*=no%2C nothing");
});

test("an error frame never carries internal detail, a hint or a cause", () => {
  const secret = "/etc/secret";
  const options = { hint: secret, cause: new Error(secret) };
  for (const code of ["internal", "failed", "usage", "disconnected"] as const) {
    const bytes = Buffer.from(encodeError(new FstreamError(code, secret, options))).toString("latin1");
    expect(bytes.slice(5)).toBe("error,code=internal,message*=internal server error");
  }
  expect(Buffer.from(encodeError(new FstreamError("busy", "later", options))).toString()).not.toContain(
    secret,
  );
});

test("an error frame has room, however long its message is", () => {
  for (const letter of ["a", ",", "\n", "ñ", "日", "🎥", "\ud800"]) {
    const bytes = encodeError(new FstreamError("bad_request", letter.repeat(10_000)));
    expect(bytes.length).toBeLessThanOrEqual(5 + maxReplyBytes);
    const result = new ReplyDecoder().feed(bytes);
    if (result.type !== "reply" || result.reply.type !== "error") throw new Error("no error");
    expect(result.reply.error.message).toBe(letter.repeat(500).toWellFormed());
  }
});

test("a code that is not known is a refusal without a retry, and it is named", () => {
  const result = new ReplyDecoder().feed(vector("reply-error-unknown-code").bytes);
  if (result.type !== "reply" || result.reply.type !== "error") throw new Error("no error");
  expect(result.reply.error.code).toBe("failed");
  expect(meaning("failed").exit).toBe(1);
  expect(result.reply.error.message).toBe("sold_out: no seats");
});

test("a code that never leaves a process is not taken from the wire", () => {
  for (const code of ["failed", "usage", "disconnected", "toString", ""]) {
    const text = `error,code=${code},message*=x`;
    const bytes = Buffer.concat([Buffer.from([0, 0, 0, text.length, 0]), Buffer.from(text)]);
    const result = new ReplyDecoder().feed(bytes);
    expect(result.type === "reply" && result.reply.type === "error" && result.reply.error.code).toBe(
      "failed",
    );
  }
});

function expected(given: Vector, length: number): unknown {
  const { bytes, fields, rest, expect } = given;
  if (length < decidedAt(given)) return { type: "more" };
  const behind = hex(bytes.subarray(bytes.length - rest, length));
  switch (expect) {
    case "ok":
      return { type: "ok", fields: fields.get("fields") ?? {}, rest: behind };
    case "error": {
      const code = String(fields.get("code"));
      const message = (fields.get("message") as string | undefined) ?? "the server gave no reason";
      if (isWireCode(code)) return { type: "error", code, message, rest: behind };
      const named = code === "" ? message : `${code}: ${message}`;
      return { type: "error", code: "failed", message: named, rest: behind };
    }
    case "stream":
      return { type: "stream", bytes: hex(bytes.subarray(0, length)) };
    default:
      throw new Error(`expect: ${expect} is unknown`);
  }
}

/** How many bytes it takes to tell what it is. */
function decidedAt({ bytes, fields, rest, expect }: Vector): number {
  if (expect === "more") return Number.POSITIVE_INFINITY;
  return expect === "stream" ? Number(fields.get("stream_at")) : bytes.length - rest;
}

function joined(bytes: Uint8Array, parts: readonly Uint8Array[]): unknown {
  const decoder = new ReplyDecoder();
  let fed = 0;
  for (const part of parts) {
    const result = decoder.feed(part);
    fed += part.length;
    const later = bytes.subarray(fed);
    if (result.type === "reply") return plain({ ...result, rest: Buffer.concat([result.rest, later]) });
    if (result.type === "stream") return plain({ ...result, bytes: Buffer.concat([result.bytes, later]) });
  }
  return { type: "more" };
}

function plain(result: ReplyResult): unknown {
  if (result.type === "more") return { type: "more" };
  if (result.type === "stream") return { type: "stream", bytes: hex(result.bytes) };
  const rest = hex(result.rest);
  if (result.reply.type === "ok")
    return { type: "ok", fields: Object.fromEntries(result.reply.fields), rest };
  const { code, message } = result.reply.error;
  return { type: "error", code, message, rest };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
