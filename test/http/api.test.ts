// The API and the metrics without a socket: who may see what, what it says, and that it is as described.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Access } from "../../src/access/access.ts";
import { WaitingPlaces } from "../../src/access/waitingplaces.ts";
import { AdminToken } from "../../src/auth/admintoken.ts";
import { Throttle } from "../../src/auth/throttle.ts";
import { FstreamError } from "../../src/errors.ts";
import { Api } from "../../src/http/api.ts";
import openapi from "../../src/http/openapi.json";
import { requestOf } from "../../src/http/request.ts";
import { answer } from "../../src/http/routes.ts";
import type { HttpServices } from "../../src/http/services.ts";
import { createLog } from "../../src/log.ts";
import type { Listening } from "../../src/session/listening.ts";
import { Rig } from "../relay/rig.ts";
import { flvConfig, flvFrame, flvHead, opaque } from "../relay/streams.ts";
import { faults } from "./schema.ts";

const token = "0123456789abcdef";
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fstream-api-"));
  await Bun.write(join(folder, "token"), token);
});
afterAll(() => rm(folder, { recursive: true }));

/** The address of a proxy that is trusted. */
const proxy = "127.0.0.9";
const local = { from: "127.0.0.1", host: "localhost:61921" };
const operator = { headers: { Authorization: `Bearer ${token}` } };

function unused(): never {
  throw new Error("not asked for here");
}

function messageOf(value: unknown): string {
  return (value as { error: { message: string } }).error.message;
}

/** A relay with its API. */
function served(
  options: {
    listChannels?: boolean;
    publicUrl?: string;
    listening?: Listening;
    authenticateWatchers?: boolean;
  } = {},
) {
  const rig = new Rig({ holdMs: 60_000 });
  const nowMs = () => rig.clock.nowMs();
  const access = new Access(
    {
      relay: rig.relay,
      authenticator: { needsPassword: true, authenticate: unused },
      tokens: { issue: unused, redeem: unused },
      limits: { admit: () => {} },
      guesses: new Throttle({ nowMs, sleep: () => Promise.resolve() }),
      places: new WaitingPlaces({ maxWaiting: 10 }, () => false),
      adminToken: () => new AdminToken(join(folder, "token")),
    },
    {
      plainPasswords: true,
      authenticateWatchers: false,
      backlogBytes: 1000,
      slowWatcher: "skip",
      maxWaitMs: 1000,
    },
  );
  const lines: string[] = [];
  const log = createLog({ level: "info", journal: false, write: (line) => lines.push(line), nowMs });
  const { listChannels = true, publicUrl, listening = {}, authenticateWatchers = false } = options;
  const api = new Api({
    relay: rig.relay,
    access,
    clock: rig.clock,
    listening,
    log,
    metrics: async () => [{ name: "up", type: "gauge", help: "Up.", samples: [{ value: 1 }] }],
    options: { listChannels, authenticateWatchers, publicUrl },
  });
  const ask = async (
    method: string,
    target: string,
    from: { from?: string; host?: string; secure?: boolean; headers?: Record<string, string> } = {},
  ) => {
    const headers = new Headers({ Host: from.host ?? "relay.example", ...from.headers });
    const peer = { address: from.from ?? "192.0.2.1", secure: from.secure ?? true };
    const request = requestOf({ method, target, minorVersion: 1, headers }, peer, {
      trusted: (address) => address === proxy,
      options: { publicUrl },
    });
    const { status, fields, body } = await answer(request, { access, log, api } as unknown as HttpServices);
    const text = Buffer.from(body).toString();
    const value: unknown = fields["Content-Type"] === "application/json" ? JSON.parse(text) : text;
    return { status, headers: new Headers(fields), value };
  };
  const names = async (from?: Parameters<typeof ask>[2]) => {
    const { value } = await ask("GET", "/api/channels", from);
    expect(faults("Channels", value)).toEqual([]);
    const { channels } = value as { channels: { user: string; channel: string }[] };
    return channels.map(({ user, channel }) => `${user}/${channel}`);
  };
  return { rig, access, ask, names, lines };
}

/** With a public channel of FLV, one that needs a password, one that is held, and one that only a watcher waits for. */
function busy(options: Parameters<typeof served>[0] = {}) {
  const all = served(options);
  const { rig } = all;
  const open = rig.broadcast();
  open.send(flvHead);
  open.send(flvConfig(0));
  rig.watch();
  for (let i = 0; i < 30; i++) {
    rig.clock.advance(40);
    open.send(flvFrame(i * 40, i % 10 === 0, 500));
  }
  rig.broadcast({ channel: "secret", password: "x" }).send(opaque(100_000));
  const held = rig.broadcast({ user: "ann", channel: "a/b ü?" });
  held.send(opaque(5000));
  held.break(new FstreamError("disconnected", "reset"));
  rig.watch({ channel: "awaited", waitMs: 1000 });
  return { ...all, open };
}

describe("the list of channels", () => {
  test("has the public ones for everybody, and all for this machine and for the admin token", async () => {
    const { names } = busy();
    const open = ["fier/default", "ann/a/b ü?"];
    expect(await names()).toEqual(open);
    const all = ["fier/default", "fier/secret", "ann/a/b ü?"];
    expect(await names(local)).toEqual(all);
    expect(await names(operator)).toEqual(all);
  });

  test("has none for everybody where list_channels is off", async () => {
    const { names } = busy({ listChannels: false });
    expect(await names()).toEqual([]);
    expect((await names(local)).length).toBe(3);
  });

  test("shows no more to a page of another site, or through a proxy, on this machine", async () => {
    const { names } = busy();
    const open = 2;
    expect(await names({ ...local, headers: { Origin: "https://evil.example" } })).toHaveLength(open);
    expect(await names({ ...local, headers: { Origin: "null" } })).toHaveLength(open);
    expect(await names({ ...local, headers: { "X-Forwarded-For": "192.0.2.7" } })).toHaveLength(open);
    expect(await names({ ...local, host: "evil.example" })).toHaveLength(open);
    for (const site of ["cross-site", "same-site"])
      expect(await names({ ...local, headers: { "Sec-Fetch-Site": site } })).toHaveLength(open);
    expect(await names({ ...local, headers: { "Sec-Fetch-Site": "same-origin" } })).toHaveLength(3);
    expect(await names({ ...local, headers: { Origin: "https://localhost:61921" } })).toHaveLength(3);
  });

  test("shows no more to this machine where the server is reached by another name, or a proxy is on it", async () => {
    expect(await busy().names({ ...local, from: proxy })).toHaveLength(2);
    const { names } = busy({ publicUrl: "https://relay.example" });
    expect(await names(local)).toHaveLength(2);
    expect(await names({ ...local, ...operator })).toHaveLength(3);
  });

  test("says what each is, as it is described", async () => {
    const { ask, rig } = busy();
    const { value, headers } = await ask("GET", "/api/channels");
    expect(faults("Channels", value)).toEqual([]);
    expect(headers.get("access-control-allow-origin")).toBe("*");
    expect(headers.get("cache-control")).toBe("no-store");
    const [flv, held] = (value as { channels: Record<string, unknown>[] }).channels;
    const [channel] = rig.relay.channels;
    expect(flv).toEqual({
      user: "fier",
      channel: "default",
      state: "live",
      since: "2026-01-01T00:00:01.000Z",
      container: "flv",
      media_type: "video/x-flv",
      codecs: ["h264"],
      bitrate: channel.bitrate,
      watchers: 1,
      received_bytes: channel.bytesIn,
      sent_bytes: channel.bytesOut,
      skips: 0,
      access: "public",
      protected: false,
      watch_url: "/watch/fier/default",
      play_url: "/play/fier/default",
    });
    expect(channel.bitrate).toBeGreaterThan(0);
    expect(held).toMatchObject({
      state: "held",
      container: "",
      media_type: "application/octet-stream",
      codecs: [],
      watch_url: "/watch/ann/a%2Fb%20%C3%BC%3F",
    });
  });

  test("has whole addresses where the server knows its own", async () => {
    const { ask } = busy({ publicUrl: "https://relay.example/live" });
    const { value } = await ask("GET", "/api/channels/fier");
    expect(value).toMatchObject({
      watch_url: "https://relay.example/live/watch/fier/default",
      play_url: "https://relay.example/live/play/fier/default",
    });
  });

  test("is put together once a second at the most for everybody, and afresh for the operator", async () => {
    const { rig, names } = busy();
    expect(await names()).toHaveLength(2);
    rig.broadcast({ channel: "new" }).send(opaque(10));
    expect(await names()).toHaveLength(2);
    expect(await names(local)).toHaveLength(4);
    rig.clock.advance(1000);
    expect(await names()).toHaveLength(3);
  });
});

describe("a channel", () => {
  test("is described by its name, percent-encoded", async () => {
    const { ask } = busy();
    const { status, value } = await ask("GET", "/api/channels/ann/a%2Fb%20%C3%BC%3F");
    expect(status).toBe(200);
    expect(faults("Channel", value)).toEqual([]);
    expect(value).toMatchObject({ user: "ann", channel: "a/b ü?" });
  });

  test("that needs a password looks to everybody as one that is not there", async () => {
    const { ask } = busy();
    const hidden = await ask("GET", "/api/channels/fier/secret");
    const missing = await ask("GET", "/api/channels/fier/absent");
    const awaited = await ask("GET", "/api/channels/fier/awaited", local);
    for (const each of [hidden, missing, awaited]) {
      expect(each.status).toBe(404);
      expect(faults("Refusal", each.value)).toEqual([]);
      expect(each.headers.get("x-fstream-code")).toBe("not_live");
    }
    expect(messageOf(hidden.value).replace("secret", "absent")).toBe(messageOf(missing.value));
    expect(await ask("GET", "/api/channels/fier/secret", operator)).toMatchObject({
      status: 200,
      value: { access: "password", protected: true },
    });
  });

  test.each(["/api/channels/", "/api/channels/a/b/c", "/api/channels/%ff", "/api/channels/a/%00"])(
    "has no name like %s",
    async (target) => {
      const { ask } = busy();
      const { status, value } = await ask("GET", target, local);
      expect(status).toBe(400);
      expect(faults("Refusal", value)).toEqual([]);
    },
  );
});

test("the list says that watchers have to log in, besides a channel's password or without it", async () => {
  const { ask } = busy({ authenticateWatchers: true });
  const { value } = await ask("GET", "/api/channels", operator);
  expect(value).toMatchObject({
    all: true,
    channels: [{ access: "login", protected: true }, { access: "login and password" }, { access: "login" }],
  });
});

describe("the address for clients of the protocol", () => {
  const tcp = { host: "", port: 7540 };
  const tls = { host: "0.0.0.0", port: 61922 };
  const here = { host: "127.0.0.1", port: 7540 };
  test.each<[string, Listening, { from?: string }, object]>([
    ["is the plain port's", { tcp, tls }, {}, { scheme: "fstream", port: 7540 }],
    ["is the TLS port's where there is no other", { tls }, {}, { scheme: "fstreams", port: 61922 }],
    ["is none where neither is there", { https: tls }, {}, {}],
    ["is none that only this machine reaches", { tcp: here }, {}, {}],
    ["is that for a client on this machine", { tcp: here }, local, { scheme: "fstream", port: 7540 }],
    ["is the one that is reached", { tcp: here, tls }, {}, { scheme: "fstreams", port: 61922 }],
  ])("%s", async (_, listening, from, expected) => {
    const { value } = await served({ listening }).ask("GET", "/api/address", from);
    expect(faults("Address", value)).toEqual([]);
    expect(value).toEqual(expected);
  });
});

describe("DELETE", () => {
  test("ends a broadcast: its broadcaster is dismissed, and its watchers end in order", async () => {
    const { rig, ask, open, lines } = busy();
    const watcher = rig.watch();
    expect(await ask("DELETE", "/api/channels/fier/default", operator)).toMatchObject({
      status: 204,
      value: "",
    });
    expect(open.dismissal).toMatchObject({ code: "forbidden" });
    expect(watcher.ending).toBe("orderly");
    expect((await ask("GET", "/api/channels/fier/default", local)).status).toBe(404);
    // For the log, where the broadcaster's session says it.
    expect(open.dismissal?.cause).toMatchObject({ message: "requested from 192.0.2.1" });
    expect(lines.join("")).not.toContain("ended");
  });

  test("is the operator's alone", async () => {
    const { rig, ask, open } = busy();
    for (const from of [{}, { ...local, headers: { Origin: "https://evil.example" } }]) {
      const { status, headers, value } = await ask("DELETE", "/api/channels/fier/default", from);
      expect(status).toBe(401);
      expect(headers.get("www-authenticate")).toBe('Bearer realm="fstream"');
      expect(faults("Refusal", value)).toEqual([]);
    }
    expect(open.dismissal).toBeUndefined();
    expect(rig.relay.find("fier", "default")?.state).toBe("live");
  });

  test("ends nothing that is not there", async () => {
    const { ask } = busy();
    expect((await ask("DELETE", "/api/channels/fier/absent", local)).status).toBe(404);
    expect((await ask("DELETE", "/api/channels/fier/awaited", local)).status).toBe(404);
  });
});

describe("the metrics", () => {
  test("are for the operator alone", async () => {
    const { ask, access } = busy();
    const { status, headers, value } = await ask("GET", "/metrics", operator);
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(headers.has("access-control-allow-origin")).toBe(false);
    expect(value).toBe("# HELP up Up.\n# TYPE up gauge\nup 1\n");
    expect((await ask("GET", "/metrics", local)).status).toBe(200);
    const refused = await ask("GET", "/metrics");
    expect(refused.status).toBe(401);
    expect(refused.value).toBe("it needs the admin token, or must come from the server's own machine\n");
    expect(access.counters.refusals.entries).toEqual([["admin unauthorized", 1]]);
  });
});

describe("the admin token", () => {
  test("is refused when it is wrong, also where everybody may see something", async () => {
    const { ask } = busy();
    for (const target of ["/api/channels", "/api/channels/fier/default", "/metrics"]) {
      const { status } = await ask("GET", target, { headers: { Authorization: `Bearer ${token}x` } });
      expect({ target, status }).toEqual({ target, status: 401 });
    }
  });

  test("is refused when it is wrong on this machine too, where none is needed", async () => {
    const { ask } = busy();
    const wrong = { ...local, headers: { Authorization: "Bearer x" } };
    expect((await ask("GET", "/api/channels", wrong)).status).toBe(401);
    const plain = { ...local, ...operator, secure: false };
    expect((await ask("GET", "/api/channels", plain)).value).toMatchObject({ all: true });
  });

  test("is not taken without TLS", async () => {
    const { ask } = busy();
    expect((await ask("GET", "/metrics", { ...operator, secure: false })).status).toBe(403);
  });

  test("is not looked for in other credentials: a browser may send those of another page", async () => {
    const { names } = busy();
    expect(await names({ headers: { Authorization: `Basic ${btoa(`x:${token}`)}` } })).toHaveLength(2);
  });
});

describe("pages of other sites", () => {
  test.each([
    ["/api/channels", "GET, HEAD, DELETE"],
    ["/api/channels/fier/default", "GET, HEAD, DELETE"],
    ["/watch/fier/default", "GET, HEAD"],
  ])("are told what they may do with %s", async (target, methods) => {
    const { ask } = busy();
    const { status, headers } = await ask("OPTIONS", target, { headers: { Origin: "https://page.example" } });
    expect(status).toBe(204);
    expect(headers.get("access-control-allow-origin")).toBe("*");
    expect(headers.get("access-control-allow-methods")).toBe(methods);
    expect(headers.get("access-control-allow-headers")).toBe("Authorization");
  });
});

describe("what is not in the API", () => {
  test("is refused in its form", async () => {
    const { ask } = busy();
    const missing = await ask("GET", "/api/other");
    expect(missing.status).toBe(404);
    expect(faults("Refusal", missing.value)).toEqual([]);
    const method = await ask("POST", "/api/channels");
    expect(method.status).toBe(405);
    expect(method.headers.get("allow")).toBe("GET, HEAD, OPTIONS");
    expect(faults("Refusal", method.value)).toEqual([]);
    expect((await ask("PUT", "/watch/fier")).headers.get("allow")).toBe("GET, HEAD, OPTIONS");
  });
});

describe("the description", () => {
  test("is served, and names what there is", async () => {
    const { ask } = busy();
    const { status, value } = await ask("GET", "/api/openapi.json");
    expect(status).toBe(200);
    expect(value).toEqual(openapi);
    expect(Object.keys(openapi.paths)).toEqual([
      "/api/channels",
      "/api/channels/{user}/{channel}",
      "/api/address",
      "/metrics",
    ]);
  });
});

describe("what the answers are held against", () => {
  test("finds what is missing, too much, or of another kind", () => {
    expect(faults("Channels", {})).toEqual(["Channels has no all", "Channels has no channels"]);
    expect(faults("Refusal", { error: { code: "odd", message: 1 }, x: 1 })).toEqual([
      "Refusal.error.code is odd",
      "Refusal.error.message is no string",
      "Refusal.x is not described",
    ]);
    const found = faults("Channels", {
      channels: [{ since: "now", watchers: -1, codecs: Array(9).fill("x") }],
    });
    expect(found).toContain("Channel.since is no date-time");
    expect(found).toContain("Channel.watchers is below its minimum");
    expect(found).toContain("Channel.codecs has too many items");
  });
});
