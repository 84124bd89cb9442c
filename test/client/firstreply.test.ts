// The first bytes of a server: frames and streams pass as a ReplyDecoder gives them, complaints of others do not.

import { expect, test } from "bun:test";
import { FirstReply } from "../../src/client/firstreply.ts";
import type { FstreamError } from "../../src/errors.ts";
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

const servers = [
  [alert, "TLS"],
  [response, "HTTP"],
  ["SSH-2.0-OpenSSH_9.2p1\r\n", "SSH"],
  ["220 mail.example ESMTP Postfix\r\n", "SMTP or FTP"],
  ["220-FileZilla Server\r\n", "SMTP or FTP"],
  ["554 no\n", "SMTP or FTP"],
  ["+OK Dovecot ready.\r\n", "POP3"],
  ["* OK [CAPABILITY IMAP4rev1] ready.\r\n", "IMAP"],
  ["200 news.example ready\r\n", "NNTP"],
  ["-ERR unknown command\r\n", "POP3 or Redis"],
  ["RFB 003.008\n", "VNC"],
  ["\xff\xfd\x18\xff\xfd\x20", "telnet"],
  ["\x4a\0\0\0\x0a8.0.36\0", "MySQL"],
] as const;

test("a server of another protocol is distinguished from a stream, in pieces of any size", () => {
  for (const size of sizes) {
    for (const [bytes, name] of servers)
      expect(stream(Buffer.from(bytes, "latin1"), size)).toBe(
        `error: relay.example:7 speaks ${name}, not fstream`,
      );
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
    "220",
    "220 mail without an end",
    "220 1.5 -3\r\n221 1.6 -2\r\n",
    "220 mail\0\r\n",
    "220 mail\rserver\n",
    `220 ${"long ".repeat(200)}\r\n`,
    "219 mail\r\n",
    "+OKAPI",
    "* OKAPI\r\n",
    "\xff\xfb\x10\xc4", // an MP3 frame
    "\xff\xfd\x18\xff",
    "\x4a\0\0\0\x0aMedia",
  ];
  for (const size of sizes) {
    for (const bytes of streams) expect(stream(Buffer.from(bytes, "latin1"), size)).toBe(bytes);
  }
});

test("behind a frame, and later in a stream, a complaint is part of the stream", () => {
  for (const [bytes] of servers) {
    const behind = Buffer.concat([frameBytes("ok"), Buffer.from(bytes, "latin1")]);
    expect(stream(behind, 7)).toBe(bytes);
    expect(stream(Buffer.from(`media  ${bytes}`, "latin1"), 7)).toBe(`media  ${bytes}`);
  }
});

function hintFor(verb: "watch" | "broadcast" | "token"): string | undefined {
  try {
    new FirstReply("relay.example:7", verb).feed(Buffer.from(alert, "latin1"));
  } catch (error) {
    return (error as FstreamError).hint;
  }
  return undefined;
}

test("what is asked at a TLS port gets a hint at the address that would do", () => {
  const hint = expect.stringContaining("use fstreams://relay.example:7");
  expect([hintFor("watch"), hintFor("broadcast")]).toEqual([hint, hint]);
  expect(hintFor("token")).toBe(
    "if this is the HTTPS port, use https://relay.example:7; if it is the TLS port, use fstreams://relay.example:7",
  );
});

/** What a broadcaster makes of all that its server has said, fed in pieces of `size`. */
function heard(bytes: Uint8Array, size: number): string {
  const opening = new FirstReply("relay.example:7", "broadcast");
  try {
    for (let at = 0; at < bytes.length; at += size) opening.feed(bytes.subarray(at, at + size));
    opening.end();
  } catch (error) {
    const { code, message } = error as FstreamError;
    return `${code}: ${message}`;
  }
  return "";
}

test("a broadcaster is sent no stream: anything but a reply is of another server", () => {
  const alien = "failed: relay.example:7 does not speak fstream: invalid reply";
  for (const size of sizes) {
    for (const [bytes, name] of servers)
      expect(heard(Buffer.from(bytes, "latin1"), size)).toBe(
        `failed: relay.example:7 speaks ${name}, not fstream`,
      );
    for (const bytes of ["hello\n", "220 no end", "\0\0\0\x02\0xx", "\xff\xff"])
      expect(heard(Buffer.from(bytes, "latin1"), size)).toBe(alien);
    const reply = frameBytes("ok,url=https://relay.example/");
    expect([heard(reply, size), heard(Buffer.concat([reply, Buffer.from("x")]), size)]).toEqual(["", ""]);
    expect(heard(reply.subarray(0, 7), size)).toBe(
      "disconnected: relay.example:7 closed the connection midway through its answer",
    );
  }
});
