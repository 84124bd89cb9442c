// The decoders under hostile input: the vectors, damaged at random but the same each time.
// Whatever comes, nothing is thrown, the answer does not depend on the pieces, and it is the model's.

import { expect, test } from "bun:test";
import { HandshakeDecoder, type HandshakeResult } from "../../src/protocol/handshake.ts";
import { ReplyDecoder } from "../../src/protocol/reply.ts";
import type { Request } from "../../src/protocol/request.ts";
import { dice, pieces, singly } from "./dice.ts";
import { modelFrame, modelHandshake } from "./model.ts";
import { vectors } from "./vectors.ts";

type Roll = (below: number) => number;

/** Small, so that what is around them comes up often. */
const limits = { maxPreambleBytes: 64, maxRequestBytes: 128 };
/** `scripts/fuzz` runs these tests again and again, each time with another seed. */
const seed = Number(process.env["FSTREAM_FUZZ_SEED"] ?? 0);
const rounds = 6000;

const scraps = [
  ["\n", "\n\n", "\n\r\n", "\r", ",", "=", "*=", "*", "%", "%zz", "%2C", "%0A", "%FF", "\0", "\x7f"],
  [
    "user=",
    "channel*=",
    "wait=9",
    "start=",
    "lag=",
    "reply=1",
    "token=t",
    "bufsize=",
    "end,",
    "id=a",
    "user*=%C3%B1",
    "watcher=",
  ],
  ["ok", "ok,", "error,code=", "message*=", "\0\0\0\x02\0", "\0\0\x10\0\0", "ñ", "日", "🎥", "\u0085"],
].flatMap((texts) => texts.map((text) => Buffer.from(text)));

test("the model agrees with the vectors", () => {
  const real = { maxPreambleBytes: 8192, maxRequestBytes: 4096 };
  for (const { file, expect: wanted, fields, rest, bytes } of vectors("request-", "refused-", "more-")) {
    const { type, ...found } = modelHandshake(Buffer.from(bytes), real);
    expect({ file, type }).toEqual({ file, type: wanted as typeof type });
    if (type === "request") {
      const restAt = bytes.length - rest;
      const key = fields.get("intent") === "end" ? "id" : "user";
      expect(found).toMatchObject({ restAt, [key]: String(fields.get(key)) });
    }
  }
  for (const { file, expect: wanted, rest, bytes } of vectors("reply-")) {
    const isFrame = wanted === "ok" || wanted === "error";
    const length = isFrame ? bytes.length - rest : undefined;
    expect({ file, length: modelFrame(Buffer.from(bytes)) }).toEqual({ file, length });
  }
});

test("damaged handshakes are decided as the model does, however they are split", () => {
  const roll = dice(seed + 20);
  const seeds = vectors("request-", "refused-", "more-").map(({ bytes }) => Buffer.from(bytes));
  const met = { more: 0, request: 0, refused: 0 };
  for (let round = 0; round < rounds; round++) {
    const bytes = damaged(seeds, roll);
    const model = modelHandshake(bytes, limits);
    met[model.type]++;
    for (const parts of [[bytes], singly(bytes), pieces(bytes, roll), pieces(bytes, roll)]) {
      const { result, restAt } = handshake(parts);
      const found =
        result.type === "request"
          ? { type: result.type, restAt, ...whatOf(result.request, model) }
          : { type: result.type };
      if (JSON.stringify(found) !== JSON.stringify(model)) {
        expect({ bytes: bytes.toString("hex"), ...found }).toEqual({
          bytes: bytes.toString("hex"),
          ...model,
        });
      }
    }
  }
  // It would prove little if nearly all were of one kind.
  expect(Math.min(met.more, met.request, met.refused)).toBeGreaterThan(rounds / 20);
});

test("a refusal says the same however it is split", () => {
  const roll = dice(seed + 21);
  const seeds = vectors("refused-").map(({ bytes }) => Buffer.from(bytes));
  for (let round = 0; round < rounds / 4; round++) {
    const bytes = damaged(seeds, roll);
    const [whole, split] = [handshake([bytes]).result, handshake(pieces(bytes, roll)).result];
    if (whole.type !== "refused" || split.type !== "refused") continue;
    expect(split.error.code).toBe("bad_request");
    expect(split.error.message).toBe(whole.error.message);
    expect(split.reply).toBe(whole.reply);
    expect(split.error.message.length).toBeLessThan(200);
  }
});

test("every handshake is decided within its limits", () => {
  const roll = dice(seed + 22);
  const most = limits.maxPreambleBytes + 5 + limits.maxRequestBytes;
  for (let round = 0; round < rounds / 4; round++) {
    const bytes = Buffer.from(Array.from({ length: most }, () => [10, 13, 0, 0, 0, 3, 97][roll(7)]));
    expect(handshake([bytes]).result.type).not.toBe("more");
  }
});

test("damaged replies are frames where the model says so, and no byte is lost", () => {
  const roll = dice(seed + 23);
  const seeds = vectors("reply-").map(({ bytes }) => Buffer.from(bytes));
  const met = { more: 0, reply: 0, stream: 0 };
  for (let round = 0; round < rounds; round++) {
    const bytes = damaged(seeds, roll);
    const frame = modelFrame(bytes);
    const kinds = new Set<string>();
    for (const parts of [[bytes], singly(bytes), pieces(bytes, roll), pieces(bytes, roll)]) {
      const decoder = new ReplyDecoder();
      let fed = 0;
      let kind = "more";
      for (const part of parts) {
        const result = decoder.feed(part);
        fed += part.length;
        kind = result.type;
        if (result.type === "reply") expect(fed - result.rest.length).toBe(frame ?? -1);
        if (result.type === "stream") expect(bytes.subarray(0, fed).equals(result.bytes)).toBe(true);
        if (result.type !== "more") break;
      }
      kinds.add(kind);
      if (kind !== "more") continue;
      expect(bytes.equals(decoder.kept)).toBe(true);
      expect(bytes.length).toBeLessThan(5 + 4096);
    }
    expect(kinds.size).toBe(1);
    const [kind] = kinds as Set<keyof typeof met>;
    expect(kind === "reply").toBe(frame !== undefined);
    met[kind]++;
  }
  expect(Math.min(met.more, met.reply, met.stream)).toBeGreaterThan(rounds / 20);
});

/** One of `seeds`, somewhat damaged: bytes changed, taken out, doubled, put in, and lengths made right again or not. */
function damaged(seeds: readonly Buffer[], roll: Roll): Buffer {
  let bytes = seeds[roll(seeds.length)].subarray(0, 400);
  for (let times = roll(4); times > 0; times--) {
    const at = roll(bytes.length + 1);
    const to = Math.min(bytes.length, at + roll(8));
    const [before, middle, after] = [bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(to)];
    const other = seeds[roll(seeds.length)].subarray(0, 400);
    const scrap = scraps[roll(scraps.length)];
    const parts = [
      [before, after],
      [before, middle, middle, after],
      [before, scrap, bytes.subarray(at)],
      [before, Buffer.from([roll(256)]), bytes.subarray(at + 1)],
      [before, other.subarray(roll(other.length + 1))],
      [before],
    ][roll(6)];
    bytes = Buffer.concat(parts);
  }
  return roll(2) === 0 ? bytes : reframed(bytes);
}

/** The same with the right length, wherever a preamble or the beginning says that there is one. */
function reframed(bytes: Buffer): Buffer {
  const preamble = bytes.indexOf("\n\n");
  const at = preamble < 0 || preamble > 70 ? 0 : preamble + 2;
  if (bytes.length < at + 5) return bytes;
  const right = Buffer.from(bytes);
  right.writeUInt32BE(Math.min(bytes.length - at - 5, limits.maxRequestBytes), at);
  right[at + 4] = 0;
  return right;
}

function handshake(parts: readonly Uint8Array[]): { result: HandshakeResult; restAt: number } {
  const decoder = new HandshakeDecoder(limits);
  let fed = 0;
  for (const part of parts) {
    const result = decoder.feed(part);
    fed += part.length;
    if (result.type === "request") return { result, restAt: fed - result.rest.length };
    if (result.type === "refused") return { result, restAt: fed };
  }
  return { result: { type: "more" }, restAt: 0 };
}

/** What the model tells of a request. A token's has no channel; the model does not mind. */
function whatOf(request: Request, model: object): object {
  if (request.intent === "end") return { id: request.id };
  const channel =
    "channel" in request ? request.channel : "channel" in model ? String(model.channel) : undefined;
  return { user: request.user, channel };
}
