// The first bytes of a server: frames and streams pass as a ReplyDecoder gives them, complaints of others do not.

import { expect, test } from "bun:test";
import { FirstReply } from "../../src/client/firstreply.ts";
import { frameBytes } from "./standin.ts";

/** The stream that comes of `bytes`, fed in pieces of `size`, or why there is none. */
function stream(bytes: Uint8Array, size: number): string {
  const opening = new FirstReply("relay.example:7", "watch");
  let text = "";
  try {
    for (let at = 0; at < bytes.length; at += size) {
      const result = opening.feed(bytes.subarray(at, at + size));
      if (result.type === "reply") text += Buffer.from(result.rest).toString("latin1");
      if (result.type === "stream") text += Buffer.from(result.bytes).toString("latin1");
    }
  } catch (error) {
    return `error: ${(error as Error).message}`;
  }
  return text + Buffer.from(opening.kept).toString("latin1");
}

const alert = "\x15\x03\x01\0\x02\x02\x46";
const response = "HTTP/1.1 400 Bad Request\r\n\r\n";

const sizes = [1, 2, 3, 5, 6, 7, 8, 100];

test("a TLS alert, an HTTP response and an SSH server are distinguished from a stream, in pieces of any size", () => {
  for (const size of sizes) {
    for (const [bytes, name] of [
      [alert, "TLS"],
      [response, "HTTP"],
      ["SSH-2.0-OpenSSH_9.2p1\r\n", "SSH"],
    ]) {
      expect(stream(Buffer.from(bytes, "latin1"), size)).toBe(
        `error: relay.example:7 speaks ${name}, not fstream`,
      );
    }
  }
});

test("a stream that begins like a complaint, and is none, passes whole, in pieces of any size", () => {
  const streams = [
    "H",
    "HTTP/",
    "HTTP/2 is not 1",
    "SSH-2.0",
    "SSH keys",
    "\x15",
    "\x15\x03\x01\0\x03\x02\x46",
    "\x15\x03\x05",
    "HHTTP/1.1",
  ];
  for (const size of sizes) {
    for (const bytes of streams) expect(stream(Buffer.from(bytes, "latin1"), size)).toBe(bytes);
  }
});

test("behind a frame, and later in a stream, a complaint is part of the stream", () => {
  for (const bytes of [alert, response]) {
    const behind = Buffer.concat([frameBytes("ok"), Buffer.from(bytes, "latin1")]);
    expect(stream(behind, 7)).toBe(bytes);
    expect(stream(Buffer.from(`media  ${bytes}`, "latin1"), 7)).toBe(`media  ${bytes}`);
  }
});

test("a token asked for at a TLS port gets a hint at the address that would do", () => {
  const opening = new FirstReply("relay.example:7", "token");
  let hint: unknown;
  try {
    opening.feed(Buffer.from(alert, "latin1"));
  } catch (error) {
    hint = (error as { hint?: string }).hint;
  }
  expect(hint).toBe("if this is the HTTPS port, use https://relay.example:7");
});
