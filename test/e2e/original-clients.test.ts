// Clients of the original protocol, which know no replies: what they send is understood in every shape the protocol
// allows, and what they get is the stream, or a closed connection, and not a byte besides.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { deadlineMs, noise, sha256, TestServer } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

const login = "broadcast,user=fier,user_password=123";

describe("a client of the original protocol", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start();
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  const preambles: [what: string, preamble: string][] = [
    ["two line ends", "\n\n"],
    ["HTTP headers with LF", "GET /watch HTTP/1.0\nHost: relay.example\n\n"],
    ["HTTP headers with CRLF", "POST / HTTP/1.1\r\nHost: relay.example\r\nAccept: */*\r\n\r\n"],
    ["LF CR LF alone", "\n\r\n"],
    ["any bytes", "\0\xff, \r\r\n \n\xfe\n\n"],
    ["as much as there may be", `${"x".repeat(8190)}\n\n`],
  ];
  test.each(preambles)("is understood behind %s, with media in the same piece", async (what, preamble) => {
    const bytes = noise(100_000, what.length);
    const watcher = await server.dial();
    watcher.request(`watch,user=fier,channel=${what},wait=60`, preamble);
    await server.says(new RegExp(`watches fier/${what}\n`));
    const broadcaster = await server.dial();
    broadcaster.request(`${login},channel=${what}`, preamble, bytes.subarray(0, 30_000));
    await watcher.received(30_000);
    broadcaster.send(bytes.subarray(30_000)).finish();
    expect(await broadcaster.ended()).toBe("fin");
    expect(await watcher.ended()).toBe("fin");
    expect(broadcaster.length).toBe(0);
    expect(sha256(watcher.bytes)).toBe(sha256(bytes));
  });

  test("is understood byte by byte", async () => {
    const watcher = await server.dial();
    const request = Buffer.from("\n\n\0\0\0\x29\0watch,user=fier,channel=dribble,wait=0060");
    for (const byte of request) {
      watcher.send(Uint8Array.of(byte));
      await Bun.sleep(0);
    }
    await server.watched("fier/dribble", 1);
    const broadcaster = await server.dial();
    broadcaster.request(`${login},channel=dribble`, "\n\n", "whole").finish();
    expect(await watcher.ended()).toBe("fin");
    expect(watcher.text).toBe("whole");
  });

  test("can send all of a broadcast and its end at once", async () => {
    const watcher = await server.dial();
    watcher.request("watch,user=fier,channel=at once,wait=60");
    await server.watched("fier/at once", 1);
    const broadcaster = await server.dial();
    broadcaster.request(`${login},channel=at once`, "\n\n", "everything").finish();
    expect(await broadcaster.ended()).toBe("fin");
    expect(broadcaster.length).toBe(0);
    expect(await watcher.ended()).toBe("fin");
    expect(watcher.text).toBe("everything");
  });

  test("that watches gets the bytes from the newest on, and their end", async () => {
    const broadcaster = await server.dial();
    broadcaster.request(`${login},channel=live`).send(noise(200_000));
    const first = await server.dial();
    first.request("watch,user=fier,channel=live,start=1h,wait=60");
    await first.received(200_000);
    const watcher = await server.dial();
    watcher.request("watch,user=fier,channel=live");
    await server.watched("fier/live", 2);
    expect(watcher.length).toBe(0);
    broadcaster.send("the newest").finish();
    expect(await watcher.ended()).toBe("fin");
    expect(watcher.text).toBe("the newest");
    expect(await first.ended()).toBe("fin");
  });

  test("that half-closes behind its request still gets everything", async () => {
    const bytes = noise(300_000, 4);
    const watcher = await server.dial();
    watcher.request("watch,user=fier,channel=half,wait=60").finish();
    await server.watched("fier/half", 1);
    const broadcaster = await server.dial();
    broadcaster.request(`${login},channel=half`).send(bytes.subarray(0, 1000));
    await watcher.received(1000);
    expect(watcher.end).toBe("open");
    broadcaster.send(bytes.subarray(1000)).finish();
    expect(await watcher.ended()).toBe("fin");
    expect(sha256(watcher.bytes)).toBe(sha256(bytes));
  });

  test("that asks for a token gets the token and nothing else, and can use it", async () => {
    const asking = await server.dial();
    asking.request("token,user=fier,user_password=123");
    expect(await asking.ended()).toBe("fin");
    expect(asking.text).toMatch(/^[A-Za-z0-9_-]{22,}$/);
    const watcher = await server.dial();
    watcher.request("watch,user=fier,channel=token,wait=60");
    await server.watched("fier/token", 1);
    const broadcaster = await server.dial();
    broadcaster
      .request(`broadcast,user=fier,token=${asking.text},channel=token`, "\n\n", "paid for")
      .finish();
    expect(await watcher.ended()).toBe("fin");
    expect(watcher.text).toBe("paid for");
  });

  test("that is replaced is closed without a byte, and its watchers stay", async () => {
    const watcher = await server.dial();
    watcher.request("watch,user=fier,channel=replaced,wait=60");
    await server.watched("fier/replaced", 1);
    const old = await server.dial();
    old.request(`${login},channel=replaced`, "\n\n", "old ");
    await watcher.received(4);
    const fresh = await server.dial();
    fresh.request(`${login},channel=replaced`, "\n\n", "new").finish();
    expect(await old.ended()).toBe("fin");
    expect(old.length).toBe(0);
    expect(await watcher.ended()).toBe("fin");
    expect(watcher.text).toBe("old new");
  });

  const refused: [what: string, request: string][] = [
    ["wrong password", "broadcast,user=fier,user_password=124"],
    ["unknown user", "broadcast,user=nobody,user_password=123"],
    ["missing password", "broadcast,user=fier"],
    ["wrong token", "broadcast,user=fier,token=x"],
    ["wrong password for a token", "token,user=fier,user_password=124"],
    ["channel that is not live", "watch,user=fier,channel=silent"],
    ["channel password that is wrong", "watch,user=fier,channel=locked,channel_password=wrong"],
    ["bufsize that is none", "broadcast,user=fier,user_password=123,bufsize=x"],
    ["intent that is none", "listen,user=fier"],
  ];
  test("that is refused is closed without a byte", async () => {
    const locked = await server.dial();
    locked.request(`${login},channel=locked,channel_password=456`);
    await server.says(/fier\/locked: broadcast from/);
    for (const [what, request] of refused) {
      const peer = await server.dial();
      peer.request(request, "\n\n", "media");
      expect([what, await peer.ended(), peer.length]).toEqual([what, "fin", 0]);
    }
    locked.finish();
    expect(await locked.ended()).toBe("fin");
  });
});
