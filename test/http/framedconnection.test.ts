// A stream that goes out in frames: whatever the socket takes at a time, what arrives are whole frames, in them every byte
// that was said to be taken, and control frames only between them.

import { describe, expect, test } from "bun:test";
import { FramedConnection, maxPayloadBytes } from "../../src/http/framedconnection.ts";
import { encodeClose, encodeFrame, encodeMessage, opcodes } from "../../src/http/frames.ts";
import type { Connection } from "../../src/session/connection.ts";
import { dice } from "../protocol/dice.ts";
import { joined, serverFrames } from "./clientframes.ts";

/** A socket that takes what it has room for. */
class Sink implements Connection {
  readonly address = "192.0.2.1";
  readonly secure = false;
  readonly descriptor = undefined;
  room = Number.POSITIVE_INFINITY;
  isGone = false;
  writes = 0;
  readonly #taken: Uint8Array[] = [];

  write(bytes: Uint8Array, offset: number, length: number): number {
    if (offset + length > bytes.length) throw new Error("more than there is");
    this.writes++;
    if (this.isGone) return -1;
    const taken = Math.min(this.room, length);
    this.room -= taken;
    this.#taken.push(bytes.slice(offset, offset + taken));
    return taken;
  }

  get received(): Uint8Array {
    return joined(...this.#taken);
  }

  available = () => 0;
  receive = () => 0;
  keepPlace(): void {}
  pause(): void {}
  resume(): void {}
  shutdown(): void {}
  close(): void {}
  reset(): void {}
  unacknowledged = () => 0;
}

const media = (length: number, from = 0) =>
  Uint8Array.from({ length }, (_, i) => (from + i) * 7 + ((from + i) >> 8));
const text = (payload: Uint8Array) => Buffer.from(payload).toString();

function opened() {
  const sink = new Sink();
  return { sink, framed: new FramedConnection(sink) };
}

describe("bytes that are written", () => {
  test("are a message each time, in one write with its header", () => {
    const { sink, framed } = opened();
    expect([framed.write(media(1000), 0, 10), framed.write(media(1000), 10, 200)]).toEqual([10, 200]);
    const { frames, rest } = serverFrames(sink.received);
    expect(frames).toEqual([
      { opcode: opcodes.binary, payload: media(10) },
      { opcode: opcodes.binary, payload: media(200, 10) },
    ]);
    expect([rest.length, sink.writes]).toEqual([0, 2]);
  });

  test("are several messages if they are many", () => {
    const { sink, framed } = opened();
    const length = 3 * maxPayloadBytes + 5;
    expect(framed.write(media(length), 0, length)).toBe(length);
    const { frames } = serverFrames(sink.received);
    expect(frames.map(({ payload }) => payload.length)).toEqual([
      maxPayloadBytes,
      maxPayloadBytes,
      maxPayloadBytes,
      5,
    ]);
    expect(joined(...frames.map(({ payload }) => payload))).toEqual(media(length));
  });

  test("begin no frame where the socket takes nothing", () => {
    const { sink, framed } = opened();
    sink.room = 0;
    expect([framed.write(media(100), 0, 100), framed.isBetweenFrames]).toEqual([0, true]);
    sink.room = 1000;
    expect(framed.write(media(5), 0, 5)).toBe(5);
    expect(sink.received.toHex()).toBe(`8205${media(5).toHex()}`);
  });

  test("fill the frame that is half sent, whichever bytes they are", () => {
    const { sink, framed } = opened();
    sink.room = 4 + 60;
    expect([framed.write(media(200), 0, 200), framed.isBetweenFrames]).toEqual([60, false]);
    sink.room = 1000;
    const others = media(300, 5000);
    expect([framed.write(others, 0, 300), framed.isBetweenFrames]).toEqual([300, true]);
    const { frames, rest } = serverFrames(sink.received);
    expect([frames.map(({ payload }) => payload.length), rest.length]).toEqual([[200, 160], 0]);
    expect(joined(...frames.map(({ payload }) => payload))).toEqual(joined(media(60), others));
  });

  test("wait for the rest of a header", () => {
    const { sink, framed } = opened();
    sink.room = 1;
    expect([framed.write(media(200), 0, 200), framed.isBetweenFrames]).toEqual([0, false]);
    sink.room = 2;
    expect(framed.write(media(200), 0, 200)).toBe(0);
    framed.drained();
    sink.room = 1000;
    expect(framed.write(media(200), 0, 200)).toBe(200);
    expect(serverFrames(sink.received)).toEqual({
      frames: [{ opcode: opcodes.binary, payload: media(200) }],
      rest: new Uint8Array(0),
    });
  });

  test("go nowhere once the peer has gone", () => {
    const { sink, framed } = opened();
    sink.room = 50;
    framed.write(media(200), 0, 200);
    sink.isGone = true;
    expect(framed.write(media(200), 50, 150)).toBe(-1);
    const fresh = opened();
    fresh.sink.isGone = true;
    expect(fresh.framed.write(media(10), 0, 10)).toBe(-1);
  });

  test("that are frames already are passed on as they are", () => {
    const { sink, framed } = opened();
    const greeting = encodeMessage({ type: "ok" });
    framed.passOn(greeting.length);
    sink.room = 3;
    expect(framed.write(greeting, 0, greeting.length)).toBe(3);
    sink.room = 1000;
    expect(framed.write(greeting, 3, greeting.length - 3)).toBe(greeting.length - 3);
    framed.write(media(5), 0, 5);
    const closing = encodeClose(1000);
    framed.passOn(Number.POSITIVE_INFINITY);
    framed.write(closing, 0, closing.length);
    const { frames } = serverFrames(sink.received);
    expect(frames.map(({ opcode }) => opcode)).toEqual([opcodes.text, opcodes.binary, opcodes.close]);
    expect(text(frames[0].payload)).toBe('{"type":"ok"}');
  });
});

describe("a ping", () => {
  test("is answered at once between frames", () => {
    const { sink, framed } = opened();
    framed.pong(Uint8Array.of(1, 2));
    expect(sink.received.toHex()).toBe("8a020102");
  });

  test("is answered behind the frame that is half sent, the last of several alone", () => {
    const { sink, framed } = opened();
    sink.room = 10;
    framed.write(media(20), 0, 20);
    for (let i = 0; i < 5; i++) framed.pong(Uint8Array.of(i));
    sink.room = 1000;
    framed.drained();
    expect(framed.write(media(20), 8, 12)).toBe(12);
    const { frames } = serverFrames(sink.received);
    expect(frames).toEqual([
      { opcode: opcodes.binary, payload: media(20) },
      { opcode: opcodes.pong, payload: Uint8Array.of(4) },
    ]);
  });

  test("whose answer the socket takes a part of is answered with the rest before anything else", () => {
    const { sink, framed } = opened();
    sink.room = 1;
    framed.pong(Uint8Array.of(1, 2));
    expect([framed.isBetweenFrames, framed.say(encodeMessage({})), framed.write(media(5), 0, 5)]).toEqual([
      true,
      false,
      0,
    ]);
    sink.room = 1000;
    expect(framed.write(media(5), 0, 5)).toBe(5);
    expect(sink.received.toHex()).toBe(`8a0201028205${media(5).toHex()}`);
  });

  test("that a socket has no room to answer is answered once it has", () => {
    const { sink, framed } = opened();
    sink.room = 0;
    framed.pong(Uint8Array.of(7));
    framed.pong(Uint8Array.of(8));
    sink.room = 1000;
    framed.drained();
    expect(sink.received.toHex()).toBe("8a01078a0108");
  });
});

test("where nothing was written for a while, a ping is", () => {
  const { sink, framed } = opened();
  framed.keepAlive();
  framed.keepAlive();
  framed.write(media(5), 0, 5);
  framed.keepAlive();
  framed.keepAlive();
  const { frames } = serverFrames(sink.received);
  const { ping, binary } = opcodes;
  expect(frames.map(({ opcode }) => opcode)).toEqual([ping, ping, binary, ping]);
});

test("whatever the socket takes at a time, whole frames arrive, with all bytes in order", () => {
  const roll = dice(11);
  for (let round = 0; round < 300; round++) {
    const { sink, framed } = opened();
    const stream = media(2000);
    const said: string[] = [];
    let cursor = 0;
    let pings = 0;
    while (cursor < stream.length) {
      sink.room = roll(5) === 0 ? 1e6 : roll(12);
      if (roll(3) === 0) framed.drained();
      if (roll(4) === 0) framed.pong(Uint8Array.of(++pings & 0xff));
      const words = `say ${said.length}`;
      if (roll(6) === 0 && framed.say(encodeFrame(opcodes.text, Buffer.from(words)))) said.push(words);
      const length = Math.min(stream.length - cursor, 1 + roll(400));
      const taken = framed.write(stream, cursor, length);
      if (taken < 0 || taken > length) throw new Error(`${taken} of ${length} were taken`);
      cursor += taken;
    }
    sink.room = 1e6;
    framed.drained();
    // Bytes of the stream are left that fill the last frame, if it is half sent.
    const { frames, rest } = serverFrames(sink.received);
    expect([framed.isBetweenFrames, rest.length]).toEqual([true, 0]);
    const of = (opcode: number) =>
      frames.filter((each) => each.opcode === opcode).map(({ payload }) => payload);
    expect(joined(...of(opcodes.binary))).toEqual(stream);
    expect(of(opcodes.text).map(text)).toEqual(said);
    const pongs = of(opcodes.pong).map(([count]) => count);
    expect(pongs).toEqual(pongs.toSorted((a, b) => a - b));
    expect(pongs.at(-1) ?? 0).toBe(pings & 0xff);
  }
});
