// What is answered over HTTP, without a socket.

import { describe, expect, test } from "bun:test";
import type { Access } from "../../src/access/access.ts";
import { AccessCounters } from "../../src/access/counters.ts";
import { requestOf } from "../../src/http/request.ts";
import { answer } from "../../src/http/routes.ts";
import type { HttpServices } from "../../src/http/services.ts";
import { createLog } from "../../src/log.ts";

const access = {
  counters: new AccessCounters(),
  token: async () => ({ token: "0123456789", expiresInSeconds: 120 }),
} as unknown as Access;

const around = {
  trusted: (address: string) => address === "198.51.100.1",
  options: { publicUrl: undefined },
};

/** The status of a request for a token by a trusted proxy. */
async function askThroughProxy(secure: boolean, proto?: string): Promise<number> {
  const headers = new Headers({ Authorization: `Basic ${btoa("fier:123")}`, Host: "relay.example" });
  headers.set("X-Forwarded-For", "192.0.2.1");
  if (proto !== undefined) headers.set("X-Forwarded-Proto", proto);
  const head = { method: "POST", target: "/token", minorVersion: 1, headers };
  const request = requestOf(head, { address: "198.51.100.1", secure }, around);
  const log = createLog({ level: "error", journal: false, write: () => {}, nowMs: () => 0 });
  return (await answer(request, { ...around, access, log } as unknown as HttpServices)).status;
}

/** A request for a token by a page of another site, or of `origin`. */
async function askFromPage(
  origin: string,
  { host = "relay.example", publicUrl }: { host?: string; publicUrl?: string } = {},
) {
  const headers = new Headers({ Authorization: `Basic ${btoa("fier:123")}`, Host: host, Origin: origin });
  const head = { method: "POST", target: "/token", minorVersion: 1, headers };
  const options = { publicUrl };
  const request = requestOf(head, { address: "192.0.2.1", secure: true }, { ...around, options });
  const log = createLog({ level: "error", journal: false, write: () => {}, nowMs: () => 0 });
  return answer(request, { ...around, options, access, log } as unknown as HttpServices);
}

describe("a page", () => {
  test("of another site gets no token, and is not told why", async () => {
    for (const origin of ["https://evil.example", "null"]) {
      const { status, fields } = await askFromPage(origin);
      expect([status, "Access-Control-Allow-Origin" in fields]).toEqual([403, false]);
    }
    expect((await askFromPage("https://relay.example")).status).toBe(200);
  });

  test("of a name that leads here is another's, where the server knows its own", async () => {
    const publicUrl = "https://relay.example";
    const asked = async (host: string) => (await askFromPage(`https://${host}`, { host, publicUrl })).status;
    expect(await asked("evil.example")).toBe(403);
    for (const host of ["relay.example", "localhost:61921", "192.0.2.9:61921", "[2001:db8::1]"])
      expect([host, await asked(host)]).toEqual([host, 200]);
  });
});

test("a form has no more fields than make sense", async () => {
  const log = createLog({ level: "error", journal: false, write: () => {}, nowMs: () => 0 });
  const ask = async (more: string) => {
    const headers = new Headers({
      "Content-Type": "application/x-www-form-urlencoded",
      Host: "relay.example",
    });
    const head = { method: "POST", target: "/token", minorVersion: 1, headers };
    const body = new TextEncoder().encode(`user=fier&user_password=123${more}`);
    const request = { ...requestOf(head, { address: "192.0.2.1", secure: true }, around), body };
    return (await answer(request, { ...around, access, log } as unknown as HttpServices)).status;
  };
  expect(await ask("&a=b")).toBe(200);
  expect(await ask("&".repeat(4000))).toBe(400);
});

describe("a trusted proxy", () => {
  test.each([true, false])(
    "gets tokens for clients that it has over HTTPS alone, itself over TLS: %p",
    async (secure) => {
      expect(await askThroughProxy(secure, "https")).toBe(200);
      expect(await askThroughProxy(secure, "http")).toBe(403);
      expect(await askThroughProxy(secure)).toBe(403);
    },
  );

  test("may ask for itself over TLS", async () => {
    const headers = new Headers({ Authorization: `Basic ${btoa("fier:123")}`, Host: "relay.example" });
    const head = { method: "POST", target: "/token", minorVersion: 1, headers };
    const client = (secure: boolean) => requestOf(head, { address: "198.51.100.1", secure }, around).client;
    expect([client(true).secure, client(false).secure]).toEqual([true, false]);
  });
});
