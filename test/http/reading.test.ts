// A request is read the same however it is cut into pieces, within bounds, and what is none is refused as soon as that is seen.

import { describe, expect, test } from "bun:test";
import { BodyStage, HeadStage, maxBodyBytes, maxHeadBytes } from "../../src/http/reading.ts";
import { maxHeaderFields } from "../../src/protocol/httphead.ts";
import type { Connection } from "../../src/session/connection.ts";

const services = { clock: { after: () => ({ cancel: () => {} }) }, options: { handshakeTimeoutMs: 1 } };

/** Reads a request from pieces, as its connection does. */
class Reading {
  /** A request as text, a status, or "more". */
  result = "more";
  /** What was written to the peer. */
  written = "";
  #stage: HeadStage | BodyStage;

  constructor() {
    const write = (bytes: Uint8Array) => {
      this.written += Buffer.from(bytes).toString("latin1");
    };
    const connection = { write } as unknown as Connection;
    const unreadable = ({ status }: { status: number }) => {
      this.result = String(status);
    };
    this.#stage = new HeadStage(connection, services, {
      unreadable,
      head: (head, rest) => {
        const headers = [...head.headers].map(([name, value]) => `${name}=${value}`).join("&");
        const whole = (body: Uint8Array) => {
          this.result = `${head.method} ${head.target} ${headers} ${Buffer.from(body).toString("latin1")}`;
        };
        const stage = new BodyStage(connection, services, { unreadable, whole });
        this.#stage = stage;
        stage.begin(head, rest);
      },
    });
  }

  feed(bytes: Uint8Array): void {
    this.#stage.data(bytes);
  }
}

/** What comes of `text` given in pieces of so many bytes. */
function read(text: string, pieceBytes = text.length): string {
  const reading = new Reading();
  const bytes = Buffer.from(text, "latin1");
  for (let at = 0; at < bytes.length && reading.result === "more"; at += pieceBytes)
    reading.feed(bytes.subarray(at, at + pieceBytes));
  return reading.result;
}

const host = "Host: a\r\n";
const post = `POST /token HTTP/1.1\r\n${host}`;

const cases: [text: string, result: string][] = [
  ["GET / HTTP/1.0\r\n\r\n", "GET /  "],
  [`GET /a?b=%20 HTTP/1.1\r\n${host}X-A:  b c \t\r\nx-a:d\r\n\r\n`, "GET /a?b=%20 host=a&x-a=b c, d "],
  [`${post}Content-Length: 3\r\n\r\nabc`, "POST /token content-length=3&host=a abc"],
  [`${post}Content-Length: 2\r\n\r\nabcGET`, "POST /token content-length=2&host=a ab"],
  [`${post}Content-Length: 0\r\n\r\n${post}`, "POST /token content-length=0&host=a "],
  [`GET /\xe4 HTTP/1.1\r\n${host}__proto__: \xff\r\n\r\n`, "GET /\xe4 __proto__=\xff&host=a "],
  // Bytes that are characters of windows-1252 beyond Latin-1.
  [`GET / HTTP/1.1\r\n${host}A: \x80\x92\x9f\r\n\r\n`, "GET / a=\x80\x92\x9f&host=a "],
  ["GET / HTTP/1.1\r\n\r\n", "400"],
  [`GET / HTTP/1.1\r\n${host}${host}\r\n`, "400"],
  [`GET / HTTP/2.0\r\n${host}\r\n`, "505"],
  ["\r\n", "400"],
  ["\n\n\0\0\0\x05\0watch", "400"],
  ["\x16\x03\x01\x02\0", "400"],
  ["GET / HTTP/1.0\n\n", "400"],
  [`GET / HTTP/1.1\r\n${host}A: b\rc: d\r\n\r\n`, "400"],
  [`GET / HTTP/1.1\r\n${host}A: b\nc: d\r\n\r\n`, "400"],
  [`GET / HTTP/1.1\r\n${host} folded\r\n\r\n`, "400"],
  [`GET / HTTP/1.1\r\n${host}A : b\r\n\r\n`, "400"],
  [`GET / HTTP/1.1\r\n${host}: b\r\n\r\n`, "400"],
  [`GET / HTTP/1.1\r\n${host}A\r\n\r\n`, "400"],
  [`GET / HTTP/1.1\r\n${host}A: b\0\r\n\r\n`, "400"],
  [`GET  / HTTP/1.1\r\n${host}\r\n`, "400"],
  ["GET / \r\n\r\n", "400"],
  ...["-1", "+1", "1.0", "0x1", "1, 1", "1\r\nContent-Length: 1", "9".repeat(16)].map(
    (length): [string, string] => [`${post}Content-Length: ${length}\r\n\r\na`, "400"],
  ),
  [`${post}Content-Length: ${maxBodyBytes + 1}\r\n\r\n`, "413"],
  [`${post}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, "411"],
  [`${post}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc`, "411"],
];

describe("a request", () => {
  test.each(cases)("%j is %j, in whatever pieces", (text, result) => {
    for (const pieceBytes of [text.length, 1, 2, 3, 7]) expect(read(text, pieceBytes)).toBe(result);
  });

  test("that is cut off is not whole yet", () => {
    const [text] = cases[2];
    for (let end = 1; end < text.length; end++) expect(read(text.slice(0, end))).toBe("more");
  });

  test("is as large as it may be, and no larger", () => {
    const start = `GET / HTTP/1.1\r\n${host}A: `;
    const filled = (bytes: number) => `${start}${"a".repeat(bytes - start.length - 4)}\r\n\r\n`;
    for (const pieceBytes of [1, 1000, 1 << 20]) {
      expect(read(filled(maxHeadBytes), pieceBytes)).toStartWith("GET / ");
      expect(read(filled(maxHeadBytes + 1), pieceBytes)).toBe("431");
      expect(read(`${start}${"a".repeat(maxHeadBytes)}`, pieceBytes)).toBe("431");
      expect(
        read(`${post}Content-Length: ${maxBodyBytes}\r\n\r\n${"b".repeat(maxBodyBytes)}`, pieceBytes),
      ).toEndWith(` ${"b".repeat(maxBodyBytes)}`);
    }
    const fields = (count: number) => `GET / HTTP/1.1\r\n${host}${"A: b\r\n".repeat(count - 1)}\r\n`;
    expect(read(fields(maxHeaderFields))).toStartWith("GET / ");
    expect(read(fields(maxHeaderFields + 1))).toBe("431");
  });

  test("asks once for its body, if nothing of that has come yet", () => {
    const head = Buffer.from(`${post}Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n`);
    const waiting = new Reading();
    waiting.feed(head);
    waiting.feed(Buffer.from("a"));
    expect(waiting.written).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    waiting.feed(Buffer.from("b"));
    expect(waiting.result).toEndWith(" ab");
    const hasty = new Reading();
    hasty.feed(Buffer.concat([head, Buffer.from("a")]));
    expect(hasty.written).toBe("");
  });

  test("is read in time that grows with its length alone, whatever is in it", () => {
    const began = process.threadCpuUsage();
    for (const filler of [" ", "\t", "a ", ":", ","]) {
      const value = `a${filler.repeat(7900 / filler.length)}a`;
      for (let times = 0; times < 20; times++) {
        for (const name of ["X", "Authorization", "X-Forwarded-For", "Content-Length", "Host"]) {
          expect(read(`GET / HTTP/1.1\r\n${host}${name}: ${value}\r\n\r\n`)).not.toBe("more");
        }
      }
    }
    const { user, system } = process.threadCpuUsage(began);
    // 500 requests: some milliseconds each at the most; where time grew with the square it was 80.
    expect((user + system) / 1000).toBeLessThan(5000);
  });
});
