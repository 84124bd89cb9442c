import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAddress } from "../../src/client/address.ts";
import type { Invocation } from "../../src/commands/command.ts";
import { addressOperand, patienceOf, trustOf } from "../../src/commands/link.ts";

const folder = mkdtempSync(join(tmpdir(), "fstream-link-"));
afterAll(() => rmSync(folder, { recursive: true }));

function nothing(): void {}

function trust(flags: Invocation["flags"], ...addresses: string[]) {
  const terminal = { say: nothing, error: nothing, hint: nothing, print: nothing, columns: 80 };
  return trustOf(
    { flags, operands: [], environment: {}, cwd: folder, terminal },
    addresses.map(parseAddress),
  );
}

const secure = "fstreams://relay.example";

test("without a flag the system's authorities decide", () => {
  expect(trust({ insecure: undefined }, secure)).toEqual({ type: "system" });
});

test("each trust flag is read as what it stands for", () => {
  const pem = "-----BEGIN CERTIFICATE-----\n...";
  writeFileSync(join(folder, "ca.pem"), pem);
  writeFileSync(join(folder, "no.pem"), "text");
  expect(trust({ insecure: true }, secure)).toEqual({ type: "insecure" });
  expect(trust({ fingerprint: "AB:".repeat(31) + "AB" }, secure)).toEqual({
    type: "fingerprint",
    sha256: "ab".repeat(32),
  });
  expect(trust({ cafile: "ca.pem" }, secure)).toEqual({ type: "authorities", pem });
  expect(() => trust({ cafile: "no.pem" }, secure)).toThrow("no PEM certificate");
  expect(() => trust({ cafile: "missing.pem" }, secure)).toThrow("can't be read");
});

test("a trust flag that would have no effect, or contradicts another, is refused", () => {
  expect(() => trust({ insecure: true }, "relay.example")).toThrow("--insecure needs TLS");
  expect(() => trust({ insecure: true, fingerprint: "ab".repeat(32) }, secure)).toThrow("exclude each other");
  expect(trust({ insecure: true }, "relay.example", "https://relay.example")).toEqual({ type: "insecure" });
});

test("patience is nothing without the flag, for ever with the flag alone, and else its duration", () => {
  expect(patienceOf("--wait", undefined)).toBe(0);
  expect(patienceOf("--wait", true)).toBe(Number.POSITIVE_INFINITY);
  expect(patienceOf("--wait", "90s")).toBe(90_000);
  expect(() => patienceOf("--wait", "soon")).toThrow("--wait is a duration");
});

test("a verb takes exactly one address, of a scheme it can speak", () => {
  expect(addressOperand("watch", ["relay.example:7"], ["fstream"]).port).toBe(7);
  expect(() => addressOperand("watch", [], ["fstream"])).toThrow("needs the server's address");
  expect(() => addressOperand("watch", ["a", "b"], ["fstream"])).toThrow("b is too much");
  expect(() => addressOperand("watch", ["https://a"], ["fstream"])).toThrow("takes no https address");
});
