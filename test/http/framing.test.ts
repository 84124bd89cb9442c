// Where a body ends is what its header fields say, and what two readers could take for different things is refused.

import { describe, expect, test } from "bun:test";
import { framingOf } from "../../src/http/framing.ts";

type Field = [name: string, value: string];

/** The framing of a request with these fields: its length, the status that it is refused with, or what else it is. */
function framing(fields: Field[], minorVersion = 1): string | number {
  const found = framingOf({ headers: new Headers(fields), minorVersion });
  if (found.type === "length") return found.bytes;
  return found.type === "refused" ? found.status : found.type;
}

const coding = (value: string): Field => ["Transfer-Encoding", value];
const length = (value: string): Field => ["Content-Length", value];

describe("the framing of a body", () => {
  test("is a length, chunks, or the connection's end", () => {
    expect(framing([])).toBe("close");
    expect(framing([length("0")])).toBe(0);
    expect(framing([length("123456789012345")])).toBe(123456789012345);
    for (const value of ["chunked", "Chunked", " CHUNKED "]) expect(framing([coding(value)])).toBe("chunked");
  });

  test("that two readers could take for different ones is refused", () => {
    expect(framing([coding("chunked"), length("3")])).toBe(400);
    expect(framing([coding("chunked")], 0)).toBe(400);
    expect(framing([coding("")])).toBe(501);
    for (const value of [
      "gzip",
      "gzip, chunked",
      "chunked, chunked",
      "chunked;q=1",
      "xchunked",
      "identity",
    ]) {
      expect([value, framing([coding(value)])]).toEqual([value, 501]);
    }
    expect(framing([coding("chunked"), coding("identity")])).toBe(501);
    for (const value of ["", "-1", "+1", "1.0", "0x1", "1e3", "1, 1", "1 1", "9".repeat(16)]) {
      expect([value, framing([length(value)])]).toEqual([value, 400]);
    }
    expect(framing([length("1"), length("1")])).toBe(400);
  });
});
