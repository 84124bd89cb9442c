// Watching over HTTP, as far as it differs from the same on the port of the protocol: requests may come through a proxy.

import { describe, expect, test } from "bun:test";
import { opaque, sniffedBytes } from "../relay/streams.ts";
import { answerOf, HttpTestServer, head, proxy } from "./requesting.ts";

describe("watchers behind a proxy", () => {
  test("count for themselves, until their connections are gone", async () => {
    const server = new HttpTestServer();
    await server.broadcast({}, opaque(sniffedBytes));
    const watch = (client: string) => {
      const peer = server.dial(false, proxy);
      peer.send(head("GET /watch/fier", [`X-Forwarded-For: ${client}`]));
      return peer;
    };
    const first = watch("192.0.2.1");
    const second = watch("192.0.2.2");
    expect(server.clients).toEqual(["192.0.2.1", "192.0.2.2"]);
    const beyond = watch("192.0.2.3");
    const { status, fields, body } = answerOf(beyond);
    expect([status, fields.get("x-fstream-code"), fields.get("retry-after"), body]).toEqual([
      429,
      "limit",
      "5",
      "too many connections from this address\n",
    ]);
    beyond.die();
    expect(server.clients).toEqual(["192.0.2.1", "192.0.2.2"]);
    first.die();
    expect(server.clients).toEqual(["192.0.2.2"]);
    second.die();
    expect(server.clients).toEqual([]);
  });

  test("whose proxy says nothing of them count for the proxy, and a peer that is no proxy is believed nothing", async () => {
    const server = new HttpTestServer();
    await server.broadcast({}, opaque(sniffedBytes));
    const peers = [
      [proxy, []],
      ["192.0.2.9", ["X-Forwarded-For: 192.0.2.1"]],
    ] as const;
    for (const [address, fields] of peers) {
      const peer = server.dial(false, address);
      peer.send(head("GET /watch/fier", fields));
      expect(answerOf(peer).status).toBe(200);
    }
    expect(server.clients).toEqual([]);
  });
});
