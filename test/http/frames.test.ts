// The frames of WebSockets: what a client sends is decoded the same however it is cut, what breaks the rules ends with the right
// code, and what the server sends is understood by another implementation.

import { describe, expect, test } from "bun:test";
import {
  closeCodes,
  encodeClose,
  encodeFrame,
  encodeMessage,
  FrameDecoder,
  framesAtOnce,
  maxHeaderBytes,
  opcodes,
  writeHeader,
} from "../../src/http/frames.ts";
import { upgradeHead } from "../../src/http/websocket.ts";
import { dice, pieces, singly } from "../protocol/dice.ts";
import { type ClientFrame, clientFrame, closePayload, joined, serverFrames } from "./clientframes.ts";
import { decode, feedAll, type Heard, maxTextBytes } from "./decoding.ts";

const { continuation, text, binary, close, ping, pong } = opcodes;

const ignored = () => {};

/** Decodes frames whole, byte by byte and at random splits, which has to give the same. */
function decoded(...frames: readonly (ClientFrame | Uint8Array)[]): Heard {
  const bytes = joined(...frames.map((frame) => (frame instanceof Uint8Array ? frame : clientFrame(frame))));
  const whole = decode([bytes]);
  const roll = dice(bytes.length);
  const splits = Array.from({ length: 5 }, () => pieces(bytes, roll));
  // Of many bytes that would say no more.
  if (bytes.length < 20_000) splits.push(singly(bytes));
  for (const parts of splits) expect(decode(parts)).toEqual(whole);
  return whole;
}

const events = (...frames: readonly (ClientFrame | Uint8Array)[]) => decoded(...frames).events;
const random = (length: number, seed = length): Uint8Array<ArrayBuffer> => {
  const roll = dice(seed);
  return Uint8Array.from({ length }, () => roll(256));
};

describe("a client's frames", () => {
  test("are those of the examples in RFC 6455, section 5.7", () => {
    const hello = Uint8Array.of(0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58);
    expect(events(hello)).toEqual(["text Hello"]);
    const answered = Uint8Array.of(0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58);
    expect(events(answered)).toEqual([]);
  });

  test("of binary messages are one stream, whatever their lengths and fragments", () => {
    for (const length of [0, 1, 63, 64, 65, 125, 126, 127, 1000, 65535, 65536, 70_001]) {
      const payload = random(length);
      const half = length >> 1;
      const { stream, events } = decoded(
        { opcode: binary, payload },
        { opcode: binary, payload: payload.subarray(0, half), fin: false },
        { opcode: continuation, fin: false },
        { opcode: continuation, payload: payload.subarray(half) },
      );
      expect(events).toEqual([]);
      expect(stream).toEqual(joined(payload, payload));
    }
  });

  test("are unmasked at every alignment, with every turn of the key", () => {
    const payload = random(200);
    for (let offset = 0; offset < 8; offset++) {
      for (let first = 0; first < 5; first++) {
        const frame = clientFrame({ opcode: binary, payload });
        const shifted = new Uint8Array(offset + frame.length).subarray(offset);
        shifted.set(frame);
        const stream: Uint8Array[] = [];
        const decoder = new FrameDecoder(maxTextBytes, {
          binary: (bytes) => stream.push(bytes.slice()),
          text: ignored,
          ping: ignored,
          pong: ignored,
          close: ignored,
          broken: ignored,
        });
        decoder.feed(shifted.subarray(0, 8 + first));
        decoder.feed(shifted.subarray(8 + first));
        expect(joined(...stream)).toEqual(payload);
      }
    }
  });

  test("of control may come between the fragments of a message", () => {
    const { stream, events } = decoded(
      { opcode: text, payload: "gr", fin: false },
      { opcode: ping, payload: "a" },
      // In the middle of a character.
      { opcode: continuation, payload: Uint8Array.of(0xc3), fin: false },
      { opcode: pong, payload: "unasked" },
      { opcode: continuation, payload: Uint8Array.of(0xbc) },
      { opcode: binary, payload: "123", fin: false },
      { opcode: ping },
      { opcode: continuation, payload: "456" },
      { opcode: close, payload: closePayload(1000, "done") },
    );
    expect(events).toEqual(["ping 61", "text grü", "ping ", "close 1000"]);
    expect(Buffer.from(stream).toString()).toBe("123456");
  });

  test("end with the client's Close, with its code or without one; what follows is not looked at", () => {
    expect(events({ opcode: close }, { opcode: text, payload: "more" })).toEqual(["close 1005"]);
    for (const code of [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999])
      expect(events({ opcode: close, payload: closePayload(code) }, Uint8Array.of(0xff))).toEqual([
        `close ${code}`,
      ]);
  });

  test("of text are taken up to the limit, in however many fragments", () => {
    const most = "x".repeat(maxTextBytes);
    expect(events({ opcode: text, payload: most })).toEqual([`text ${most}`]);
    const fragments = Array.from({ length: maxTextBytes / 2 }, (_, i) => {
      return { opcode: i === 0 ? text : continuation, payload: "yz", fin: i === maxTextBytes / 2 - 1 };
    });
    expect(events(...fragments, { opcode: text })).toEqual([
      `text ${"yz".repeat(maxTextBytes / 2)}`,
      "text ",
    ]);
  });
});

describe("a client is closed", () => {
  const { protocolError, invalidPayload, tooBig } = closeCodes;
  const cases: readonly (readonly [string, number, ...(ClientFrame | Uint8Array)[]])[] = [
    ["without a mask", protocolError, { opcode: binary, payload: "abc", key: undefined }],
    ["with a reserved bit", protocolError, { opcode: binary, payload: "abc", reserved: 4 }],
    ["with an opcode that there is not", protocolError, { opcode: 3, payload: "abc" }],
    ["with another one", protocolError, { opcode: 11 }],
    ["continuing nothing", protocolError, { opcode: continuation, payload: "abc" }],
    ["continuing a message that is whole", protocolError, { opcode: text }, { opcode: continuation }],
    ["beginning a message within another", protocolError, { opcode: text, fin: false }, { opcode: binary }],
    ["fragmenting a control frame", protocolError, { opcode: ping, fin: false }],
    ["with a long control frame", protocolError, { opcode: ping, payload: "x".repeat(126) }],
    ["with half a close code", protocolError, { opcode: close, payload: "x" }],
    ...[0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535].map((code) => {
      return [
        `with close code ${code}`,
        protocolError,
        { opcode: close, payload: closePayload(code) },
      ] as const;
    }),
    [
      "with a reason that is not UTF-8",
      invalidPayload,
      { opcode: close, payload: closePayload(1000, Uint8Array.of(0xff)) },
    ],
    [
      "with a text that is not UTF-8",
      invalidPayload,
      { opcode: text, payload: Uint8Array.of(0x61, 0xed, 0xa0, 0x80) },
    ],
    ["with a text that ends in a character", invalidPayload, { opcode: text, payload: Uint8Array.of(0xc3) }],
    ["with a text that is too long", tooBig, { opcode: text, payload: "x".repeat(maxTextBytes + 1) }],
    [
      "with fragments of a text that is too long",
      tooBig,
      { opcode: text, payload: "x".repeat(maxTextBytes), fin: false },
      { opcode: continuation, payload: "x" },
    ],
    [
      "with a length in more bits than it needs",
      protocolError,
      { opcode: binary, payload: "abc", lengthBits: 16 },
    ],
    ["with a length in many more", protocolError, { opcode: binary, payload: "abc", lengthBits: 64 }],
    ["with a length of 2^53", tooBig, { opcode: binary, length: 2 ** 53 }],
    ["with a length whose first bit is set", protocolError, { opcode: binary, length: 2 ** 63 }],
  ];
  test.each(cases)("%s", (_what, code, ...frames) => {
    const heard = events(...frames, { opcode: ping });
    const last = heard.at(-1) ?? "";
    expect([last.slice(0, 11), heard.some((event) => event.startsWith("ping"))]).toEqual([
      `broken ${code}`,
      false,
    ]);
  });

  test("for a text that will be too long, as soon as its length is there", () => {
    expect(events({ opcode: text, length: 1e9 })).toEqual([expect.stringContaining("broken 1009")]);
  });

  test("and a binary message of 2^53 - 1 bytes is one that goes on and on", () => {
    const { stream, events } = decoded({ opcode: binary, payload: "abc", length: 2 ** 53 - 1 });
    expect([stream.length, events]).toEqual([3, []]);
  });
});

/** What a decoder takes of frames at once, and reports of them. */
const takenAtOnce = (...frames: readonly ClientFrame[]) => {
  const events: string[] = [];
  const decoder = new FrameDecoder(maxTextBytes, {
    binary: (bytes) => events.push(`binary ${bytes.length}`),
    text: (message) => events.push(`text ${message}`),
    ping: () => events.push("ping"),
    pong: () => events.push("pong"),
    close: ignored,
    broken: ignored,
  });
  const bytes = joined(...frames.map(clientFrame));
  const taken = decoder.feed(bytes);
  return { taken, events, size: bytes.length };
};

describe("frames are taken a limited number at once", () => {
  test("whichever they are", () => {
    for (const opcode of [binary, ping, pong]) {
      const frames = Array.from({ length: 10 * framesAtOnce }, () => ({ opcode }));
      const { taken, size, events } = takenAtOnce(...frames);
      expect(taken).toBe(size / 10);
      expect(events.length).toBe(opcode === binary ? 0 : framesAtOnce);
    }
  });

  test("of which a text is the last", () => {
    const { taken, size, events } = takenAtOnce(
      { opcode: text, payload: "a" },
      { opcode: text, payload: "a" },
    );
    expect([taken, events]).toEqual([size / 2, ["text a"]]);
  });

  test("and the small ones of a stream are handed over together, before what follows them", () => {
    const small = Array.from({ length: 100 }, () => ({ opcode: binary, payload: "x" }));
    const large = { opcode: binary, payload: random(5000) };
    const { events } = takenAtOnce(...small, large, { opcode: ping }, large, ...small, {
      opcode: text,
      payload: "a",
    });
    expect(events).toEqual(["ping", "binary 5100", "binary 5100", "text a"]);
  });
});

test("a decoder that is stopped within its own report reports no more", () => {
  const heard: string[] = [];
  const report = (what: string) => () => {
    heard.push(what);
    decoder.stop();
  };
  const decoder: FrameDecoder = new FrameDecoder(maxTextBytes, {
    binary: report("binary"),
    text: report("text"),
    ping: report("ping"),
    pong: report("pong"),
    close: report("close"),
    broken: report("broken"),
  });
  const frame = clientFrame({ opcode: binary, payload: "abc" });
  decoder.feed(joined(frame, frame, clientFrame({ opcode: 3 })));
  decoder.feed(frame);
  expect(heard).toEqual(["binary"]);
});

describe("a server's frames", () => {
  test("have the shortest header for their length", () => {
    const into = new Uint8Array(maxHeaderBytes);
    const header = (length: number) => into.subarray(0, writeHeader(into, binary, length)).toHex();
    expect([0, 125, 126, 65535, 65536, 2 ** 40 + 5].map(header)).toEqual([
      "8200",
      "827d",
      "827e007e",
      "827effff",
      "827f0000000000010000",
      "827f0000010000000005",
    ]);
  });

  test("are read back as they were made", () => {
    for (const length of [0, 1, 125, 126, 65535, 65536]) {
      const payload = random(length);
      const { frames, rest } = serverFrames(encodeFrame(binary, payload));
      expect([frames.length, rest.length]).toEqual([1, 0]);
      expect(frames[0]).toEqual({ opcode: binary, payload });
    }
    const [{ opcode, payload }] = serverFrames(encodeMessage({ type: "ok", width: 640 })).frames;
    expect([opcode, Buffer.from(payload).toString()]).toEqual([text, '{"type":"ok","width":640}']);
  });

  test("that close have a code and as much of the reason as a control frame takes, never half a character", () => {
    expect(encodeClose(closeCodes.none).toHex()).toBe("8800");
    expect(encodeClose(1000).toHex()).toBe("880203e8");
    const [{ payload }] = serverFrames(encodeClose(1008, "ü".repeat(100))).frames;
    expect([payload.length, Buffer.from(payload.subarray(2)).toString()]).toEqual([124, "ü".repeat(61)]);
  });
});

/** A server made of this codec, which says back what it gets: text as text, binary pieces as binary messages. */
function echoServer() {
  const heads = new WeakMap<object, string>();
  const decoders = new WeakMap<object, FrameDecoder>();
  return Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, bytes) {
        const say = (frame: Uint8Array) => expect(socket.write(frame)).toBe(frame.length);
        const decoder = decoders.get(socket);
        if (decoder !== undefined) return feedAll(decoder, new Uint8Array(bytes));
        const head = (heads.get(socket) ?? "") + bytes.toString("latin1");
        heads.set(socket, head);
        if (!head.endsWith("\r\n\r\n")) return undefined;
        const headers = new Headers();
        for (const line of head.split("\r\n").slice(1, -2)) {
          const colon = line.indexOf(":");
          headers.append(line.slice(0, colon), line.slice(colon + 1));
        }
        say(upgradeHead(headers));
        const made = new FrameDecoder(maxTextBytes, {
          binary: (piece) => say(encodeFrame(binary, piece)),
          text: (message) => say(encodeFrame(text, new TextEncoder().encode(message))),
          ping: (payload) => say(encodeFrame(pong, payload)),
          pong: ignored,
          close: (code) => say(encodeClose(code, "as you like")),
          broken: (code, reason) => say(encodeClose(code, reason)),
        });
        decoders.set(socket, made);
        return undefined;
      },
    },
  });
}

test("another implementation understands them, and is understood", async () => {
  const server = echoServer();
  try {
    const client = new WebSocket(`ws://127.0.0.1:${server.port}/`);
    client.binaryType = "arraybuffer";
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    const { promise: closed, resolve: close } = Promise.withResolvers<CloseEvent>();
    const { promise: all, resolve: complete } = Promise.withResolvers<void>();
    const texts: unknown[] = [];
    const received: Uint8Array[] = [];
    const sizes = [1, 125, 126, 65535, 65536, 300_000];
    const sent = joined(...sizes.map((size) => random(size)));
    client.addEventListener("open", () => open());
    client.addEventListener("close", close);
    client.addEventListener("message", ({ data }) => {
      if (typeof data === "string") texts.push(data);
      else received.push(new Uint8Array(data as ArrayBuffer));
      if (joined(...received).length === sent.length && texts.length === 2) complete();
    });
    await opened;
    client.send("grüße 🎥");
    for (const size of sizes) client.send(random(size));
    client.send("");
    await all;
    expect(texts).toEqual(["grüße 🎥", ""]);
    expect(joined(...received)).toEqual(sent);
    client.close(4321, "enough");
    const { code, reason, wasClean } = await closed;
    expect({ code, reason, wasClean }).toEqual({ code: 4321, reason: "as you like", wasClean: true });
  } finally {
    server.stop(true);
  }
});
