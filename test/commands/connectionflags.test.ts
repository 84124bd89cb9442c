import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAddress } from "../../src/client/address.ts";
import type { Invocation } from "../../src/commands/command.ts";
import { addressOperand, optionalDuration, trustOf } from "../../src/commands/connectionflags.ts";

const folder = mkdtempSync(join(tmpdir(), "fstream-link-"));
afterAll(() => rmSync(folder, { recursive: true }));

function nothing(): void {}

function trust(flags: Invocation["flags"], ...addresses: string[]) {
  const terminal = { say: nothing, error: nothing, hint: nothing, print: () => true, columns: 80, rows: 25 };
  return trustOf(
    { flags, operands: [], environment: {}, cwd: folder, terminal },
    addresses.map(parseAddress),
  );
}

async function refused(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => "it was not",
    (error: unknown) => String(error),
  );
}

const secure = "fstreams://relay.example";

test("without a flag the system's authorities decide", async () => {
  expect(await trust({ insecure: undefined }, secure)).toEqual({ type: "system" });
});

test("each trust flag is read as what it stands for", async () => {
  const pem = "-----BEGIN CERTIFICATE-----\n...";
  writeFileSync(join(folder, "ca.pem"), pem);
  writeFileSync(join(folder, "no.pem"), "text");
  expect(await trust({ insecure: true }, secure)).toEqual({ type: "insecure" });
  expect(await trust({ fingerprint: "AB:".repeat(31) + "AB" }, secure)).toEqual({
    type: "fingerprint",
    sha256: "ab".repeat(32),
  });
  expect(await trust({ cafile: "ca.pem" }, secure)).toEqual({ type: "authorities", pem });
  expect(await refused(trust({ cafile: "no.pem" }, secure))).toContain("no PEM certificate");
  expect(await refused(trust({ cafile: "missing.pem" }, secure))).toContain("can't read --cafile");
});

test("a trust flag that would have no effect, or contradicts another, is refused", async () => {
  expect(await refused(trust({ insecure: true }, "relay.example"))).toContain(
    "--insecure needs an address that uses TLS",
  );
  expect(await refused(trust({ insecure: true, fingerprint: "ab".repeat(32) }, secure))).toContain(
    "can't be used together",
  );
  expect(await trust({ insecure: true }, "relay.example", "https://relay.example")).toEqual({
    type: "insecure",
  });
});

test("a duration is 0 without the flag, without end with the flag alone, and else its value", () => {
  expect(optionalDuration("--wait", undefined)).toBe(0);
  expect(optionalDuration("--wait", true)).toBe(Number.POSITIVE_INFINITY);
  expect(optionalDuration("--wait", "90s")).toBe(90_000);
  expect(() => optionalDuration("--wait", "soon")).toThrow("--wait must be a duration");
});

type Verb = Parameters<typeof addressOperand>[0];

function address(verb: Verb, operands: readonly string[], flags: Invocation["flags"] = {}) {
  return addressOperand(verb, { operands, flags }, ["fstream"]);
}

test("a verb takes exactly one address, of a scheme it can speak", () => {
  expect(address("watch", ["relay.example:7"]).port).toBe(7);
  expect(() => address("watch", [])).toThrow("needs the server's address");
  expect(() => address("watch", ["a", "b"])).toThrow("unexpected argument: b");
  expect(() => address("watch", ["https://a"])).toThrow("doesn't take an https:// address");
});

const surpluses: [verb: Verb, operands: string[], flags: Invocation["flags"], hint: string | undefined][] = [
  ["watch", ["a", "5m"], { wait: true }, "write --wait=5m, with an equals sign"],
  ["watch", ["1h", "a"], { retry: true, user: "fier" }, "write --retry=1h, with an equals sign"],
  ["watch", ["a", "5m"], { wait: "3s" }, "did you mean --user 5m?"],
  ["watch", ["a", "fier"], { wait: true }, "did you mean --user fier?"],
  ["token", ["a", "fi.er"], {}, "did you mean --user fi.er?"],
  ["token", ["a", "b"], { user: "fier" }, undefined],
  ["broadcast", ["a", "x.ts"], {}, "broadcast reads standard input: fstream ADDRESS broadcast < x.ts"],
  [
    "broadcast",
    ["a", "x"],
    { user: "fier" },
    "broadcast reads standard input: fstream ADDRESS broadcast < x",
  ],
  ["watch", ["a", "/x"], {}, "watch writes to standard output: fstream ADDRESS watch > /x"],
];

test.each(surpluses)(
  "%s with the operands %p gets a hint at what the second may be",
  (verb, operands, flags, hint) => {
    let thrown: unknown;
    try {
      address(verb, operands, flags);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: "usage", hint });
  },
);
