// WebSockets under hostile input, at random but the same each time: frames are decoded as a model does it, and whatever comes on a
// connection, what the server says is whole and nothing of it is left behind.

import { expect, test } from "bun:test";
import { dice, pieces, singly } from "../protocol/dice.ts";
import { opaque, sniffedBytes } from "../relay/streams.ts";
import { settled, TestServer } from "../session/peer.ts";
import { clientFrame, closePayload, joined, serverFrames } from "./clientframes.ts";
import { decode, type Heard, maxTextBytes } from "./decoding.ts";
import { connectHttp, upgradeRequest } from "./socketpeer.ts";

/** `scripts/fuzz` runs these tests again and again, each time with another seed. */
const seed = Number(process.env["FSTREAM_FUZZ_SEED"] ?? 0);

type Roll = (below: number) => number;

/** What frames mean, read from whole bytes in the plainest way: undefined where they break a rule. */
function model(bytes: Uint8Array): Heard | undefined {
  const stream: number[] = [];
  const events: string[] = [];
  let message = 0;
  let kept: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const opcode = bytes[at] & 15;
    const isControl = opcode > 7;
    if ((bytes[at] & 0x70) !== 0 || ![0, 1, 2, 8, 9, 10].includes(opcode)) return undefined;
    if (isControl ? bytes[at] < 0x80 : (opcode === 0) !== (message !== 0)) return undefined;
    if (at + 1 === bytes.length) break;
    const short = bytes[at + 1] & 127;
    if (bytes[at + 1] < 128 || (isControl && short > 125)) return undefined;
    const extra = short < 126 ? 0 : short === 126 ? 2 : 8;
    const payloadAt = at + 6 + extra;
    if (payloadAt > bytes.length) break;
    let length = 0n;
    for (let i = 0; i < extra; i++) length = length * 256n + BigInt(bytes[at + 2 + i]);
    if (extra === 0) length = BigInt(short);
    if ((extra === 2 && length < 126n) || (extra === 8 && (length < 65536n || length >= 2n ** 53n)))
      return undefined;
    const last = BigInt(payloadAt) + length;
    const mask = (_: number, i: number) => bytes[payloadAt + i] ^ bytes[payloadAt - 4 + (i % 4)];
    const payload = [...bytes.subarray(payloadAt, Number(last))].map(mask);
    const isWhole = last <= BigInt(bytes.length);
    if (!isControl && opcode !== 0) message = opcode;
    if (message === 1 && !isControl) {
      if (BigInt(kept.length) + length > BigInt(maxTextBytes)) return undefined;
      kept.push(...payload);
    } else if (!isControl) stream.push(...payload);
    if (!isWhole) break;
    const body = Buffer.from(isControl ? payload : kept);
    if (opcode === 9) events.push(`ping ${body.toString("hex")}`);
    if (opcode === 8) {
      const code = body.length === 0 ? 1005 : body.readUInt16BE(body.length === 1 ? body.length : 0);
      const isKnown = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014].includes(code);
      if (body.length > 0 && !isKnown && (code < 3000 || code > 4999)) return undefined;
      if (!isUtf8(body.subarray(2))) return undefined;
      events.push(`close ${code}`);
      break;
    }
    if (!isControl && bytes[at] >= 0x80) {
      if (message === 1) {
        if (!isUtf8(body)) return undefined;
        events.push(`text ${body.toString()}`);
        kept = [];
      }
      message = 0;
    }
    at = Number(last);
  }
  return { stream: Uint8Array.from(stream), events };
}

const isUtf8 = (bytes: Buffer) => Buffer.from(bytes.toString("utf8")).equals(bytes);

test("frames that are damaged at random are decoded as a model does it, however they are cut", () => {
  const roll = dice(seed);
  const met = { whole: 0, broken: 0 };
  for (let round = 0; round < 600; round++) {
    const frames = Array.from({ length: 1 + roll(6) }, () => {
      const opcode = [0, 1, 2, 1, 2, 8, 9, 10, 2, roll(16)][roll(10)];
      const most = opcode > 7 ? 20 : 100;
      const payload =
        opcode === 8 && roll(3) > 0 ? closePayload(1000 + roll(20), "é") : "aé".repeat(roll(most));
      return clientFrame({ opcode, payload, fin: roll(4) > 0 });
    });
    let bytes = joined(...frames);
    for (let damage = roll(3); damage > 0 && bytes.length > 0; damage--)
      bytes[roll(bytes.length)] = roll(256);
    if (roll(3) === 0) bytes = bytes.slice(0, roll(bytes.length + 1));
    const expected = modelled(bytes);
    for (const parts of [[bytes], singly(bytes), pieces(bytes, roll)]) {
      const found = decode(parts);
      const broken = found.events.at(-1)?.startsWith("broken") === true;
      const result = broken ? { broken } : found;
      if (!Bun.deepEquals(result, expected))
        expect({ hex: bytes.toHex(), ...result }).toEqual({ hex: bytes.toHex(), ...expected });
    }
    met["broken" in expected ? "broken" : "whole"]++;
  }
  expect(Math.min(met.whole, met.broken)).toBeGreaterThan(60);
});

function modelled(bytes: Uint8Array): Heard | { broken: true } {
  try {
    return model(bytes) ?? { broken: true };
  } catch (error) {
    if (error instanceof RangeError) return { broken: true };
    throw error;
  }
}

const messages = [
  "{}",
  '{"wait":1}',
  '{"start":"10s","lag":"close"}',
  '{"channel_password":"456"}',
  '{"user_password":"123"}',
  '{"user_password":"123","bufsize":100}',
  '{"user_password":"1234"}',
  '{"token":"x","bufsize":"y"}',
  '{"type":"end"}',
  "[]",
];

/** What a client may send: mostly what makes sense, and now and then what does not. */
function someFrame(roll: Roll): Uint8Array {
  switch (roll(12)) {
    case 0:
      return clientFrame({ opcode: 9, payload: "x".repeat(roll(30)) });
    case 1:
      return clientFrame({ opcode: 8, payload: closePayload(1000 + roll(4)) });
    case 2:
      return clientFrame({ opcode: roll(16), payload: "x".repeat(roll(200)), fin: roll(3) > 0 });
    case 3:
    case 4:
    case 5:
    case 6:
      return clientFrame({ opcode: 1, payload: messages[roll(messages.length)] });
    default:
      return clientFrame({ opcode: 2, payload: opaque(roll(3000)), fin: roll(5) > 0 });
  }
}

test("whatever a client sends on a WebSocket and takes of it, what it gets is whole, and nothing is left of it", async () => {
  const roll = dice(seed + 1);
  const ends: Record<string, number> = {};
  for (let round = 0; round < 60; round++) {
    const server = new TestServer({}, { holdMs: roll(2) * 3000 });
    const { clock } = server.rig;
    let sender = await server.broadcast({ channel: "seen" }, opaque(sniffedBytes));
    const peer = connectHttp(server);
    const path = roll(2) === 0 ? "/watch/fier/seen" : "/broadcast/fier/sent";
    peer.send(
      upgradeRequest(path),
      roll(2) === 0 ? clientFrame({ opcode: 1, payload: messages[roll(6)] }) : "",
    );
    for (let step = 0; step < 12 && !/close|reset/.test(peer.ends.join()); step++) {
      peer.room = roll(3) === 0 ? roll(300) : 1e6;
      const bytes = joined(...Array.from({ length: roll(4) }, () => someFrame(roll)));
      for (const part of pieces(bytes, roll)) peer.send(part);
      if (roll(2) === 0) sender.send(opaque(roll(60_000)));
      if (roll(4) === 0) peer.read(roll(100_000));
      if (roll(10) === 0) sender.fin();
      if (roll(10) === 0) sender.die();
      if (roll(10) === 0) peer.fin();
      if (roll(6) === 0) sender = await server.broadcast({ channel: "seen" }, opaque(roll(6000)));
      await settled();
      clock.advance(roll(4) === 0 ? roll(12_000) : roll(300));
      await settled();
    }
    if (peer.ends.length === 0) peer.die();
    sender.die();
    for (let i = 0; i < 3; i++) {
      clock.advance(60_000);
      await settled();
    }
    const bytes = peer.take();
    const head = Buffer.from(bytes).indexOf("\r\n\r\n") + 4;
    const { frames, rest } = serverFrames(bytes.subarray(head));
    const isClosed = rest.length === 0 && frames.at(-1)?.opcode === 8;
    const how = `${peer.ends.join(" ")}${isClosed ? ", closed" : ""}`;
    ends[how] = (ends[how] ?? 0) + 1;
    expect([server.rig.failures, server.rig.channels, clock.pending]).toEqual([[], 0, 0]);
    const logged = server.lines.filter((line) => line.includes("error:"));
    expect(logged).toEqual([]);
  }
  // Only a reset may be within a frame.
  expect(Object.keys(ends).filter((how) => !/^(fin close, closed|(fin )?reset|)$/.test(how))).toEqual([]);
  expect(ends["fin close, closed"]).toBeGreaterThan(20);
});
