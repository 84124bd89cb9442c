// Who is refused, and how: with a code, an exit status, words on stderr and nothing on stdout. And what is no
// request at all: refused without a byte, and without harm to other peers.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { deadlineMs, noise, Peer, sha256, TestServer, until } from "./program.ts";

setDefaultTimeout(2 * deadlineMs);

/** The text of the frame that answers a request, with its message decoded. */
async function answer(server: TestServer, request: string): Promise<string> {
  const peer = await server.dial();
  peer.request(`${request},reply=1`);
  expect(await peer.ended()).toBe("fin");
  const { bytes } = peer;
  expect(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)).toBe(bytes.length - 5);
  expect(bytes[4]).toBe(0);
  return decodeURIComponent(Buffer.from(bytes.subarray(5)).toString());
}

/** A request's beginning: a bare preamble, a length, what stands where a null byte should, and more. */
function head(length: number, rest: string | Uint8Array, nothing = 0): Uint8Array {
  const bytes = Buffer.alloc(7);
  bytes.write("\n\n");
  bytes.writeUInt32BE(length, 2);
  bytes[6] = nothing;
  return Buffer.concat([bytes, Buffer.from(rest)]);
}

describe("a refusal", () => {
  let server: TestServer;
  let locked: Peer;
  beforeAll(async () => {
    server = await TestServer.start({
      fstream: 'backlog = "1MiB"\nmax_channels_per_user = 1',
      users: {
        "fier.ini": "[DEFAULT]\npassword=123\n",
        "bob.toml": 'password = "b"\nchannels = ["one", "cam*"]\n',
        "off.toml": 'password = "o"\nenabled = false\n',
        "empty.toml": 'password = ""\n',
      },
    });
    locked = await server.dial();
    locked.request("broadcast,user=fier,user_password=123,channel=locked,channel_password=456,reply=1");
    await locked.received(7);
  });
  afterAll(async () => {
    locked.finish();
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  const fier = { fserv_arg_user: "fier", fserv_arg_user_password: "123" };
  const bob = { fserv_arg_user: "bob", fserv_arg_user_password: "b" };
  const wrongLogin = /^fstream: error: wrong user or password\nfstream: hint: check --user.*\n$/;
  const cases: [
    what: string,
    verb: string,
    arguments_: Record<string, string>,
    status: number,
    says: RegExp,
  ][] = [
    ["a wrong password", "broadcast", { ...fier, fserv_arg_user_password: "124" }, 3, wrongLogin],
    ["a wrong password for a token", "token", { ...fier, fserv_arg_user_password: "124" }, 3, wrongLogin],
    ["an unknown user", "broadcast", { ...fier, fserv_arg_user: "nobody" }, 3, wrongLogin],
    [
      "a user that is not enabled",
      "broadcast",
      { fserv_arg_user: "off", fserv_arg_user_password: "o" },
      3,
      wrongLogin,
    ],
    [
      "a channel that is not the user's",
      "broadcast",
      { ...bob, fserv_arg_channel: "two" },
      3,
      /error: bob may not broadcast on channel two\nfstream: hint: .*--channel/,
    ],
    [
      "no channel password",
      "watch",
      { fserv_arg_user: "fier", fserv_arg_channel: "locked" },
      3,
      /error: this channel has a password\nfstream: hint: .*--channel-password/,
    ],
    [
      "a wrong channel password",
      "watch",
      { fserv_arg_user: "fier", fserv_arg_channel: "locked", fserv_arg_channel_password: "4567" },
      3,
      /error: wrong channel password\n/,
    ],
    [
      "a channel that is not live",
      "watch",
      { fserv_arg_user: "fier" },
      4,
      /error: fier is not broadcasting on channel default\nfstream: hint: use --wait/,
    ],
    [
      "a channel of another user's name",
      "watch",
      { fserv_arg_user: "bob", fserv_arg_channel: "locked", fserv_arg_channel_password: "456" },
      4,
      /error: bob is not broadcasting on channel locked\n/,
    ],
    ["one channel too many", "broadcast", { ...fier }, 6, /error: a user can have at most 1 channel live\n/],
    [
      "a start that is none",
      "watch",
      { fserv_arg_user: "fier", fserv_arg_start: "soon" },
      2,
      /error: fserv_arg_start must be join, next, live, or a duration such as 10s, not "soon"\n$/,
    ],
    [
      "a lag that is none",
      "watch",
      { fserv_arg_user: "fier", fserv_arg_lag: "jump" },
      2,
      /error: fserv_arg_lag must be skip or close, not "jump"\n$/,
    ],
    [
      "a bufsize that is no number",
      "broadcast",
      { ...bob, fserv_arg_channel: "one", fserv_arg_bufsize: "1k" },
      2,
      /error: fserv_arg_bufsize must be a size such as 188 or 64KiB, not "1k"\n$/,
    ],
    [
      "a bufsize above half the backlog",
      "broadcast",
      { ...bob, fserv_arg_channel: "one", fserv_arg_bufsize: "524289" },
      1,
      /error: bufsize can be at most half the backlog, 524288 bytes\n$/,
    ],
    [
      "a user's name that leads elsewhere",
      "watch",
      { fserv_arg_user: "../../etc/passwd" },
      1,
      /error: user can't contain a slash, a backslash or a colon\n$/,
    ],
  ];
  test.each(cases)("of %s tells why", async (_, verb, environment, status, says) => {
    const run = server.call(verb, environment);
    if (verb === "broadcast") await run.send("media that are not taken");
    const outcome = await run.outcome();
    expect([outcome.status, outcome.stdout]).toEqual([status, ""]);
    expect(outcome.stderr).toMatch(says);
  });

  test("has its code on the wire", async () => {
    const bufsize = "broadcast,user=bob,user_password=b,channel=one,bufsize";
    expect(await answer(server, "broadcast,user=fier")).toBe(
      "error,code=unauthorized,message*=user_password or token is missing",
    );
    expect(await answer(server, "broadcast,user=empty,user_password=x")).toBe(
      "error,code=unauthorized,message*=wrong user or password",
    );
    expect(await answer(server, "broadcast,user=bob,user_password=b")).toBe(
      "error,code=forbidden,message*=bob may not broadcast on channel default",
    );
    expect(await answer(server, "watch,user=fier,channel=locked")).toBe(
      "error,code=forbidden,message*=this channel has a password",
    );
    expect(await answer(server, "watch,user=fier")).toBe(
      "error,code=not_live,message*=fier is not broadcasting on channel default",
    );
    expect(await answer(server, `${bufsize}=524289`)).toStartWith("error,code=bad_request,");
    expect(await answer(server, `${bufsize}=-1`)).toStartWith("error,code=bad_request,");
    expect(await answer(server, "listen,user=fier")).toBe(
      'error,code=bad_request,message*=unknown intent "listen": use watch, broadcast, token or end',
    );
  });

  test("does not stand in the way of what is allowed", async () => {
    const watcher = server.watch({
      fserv_arg_user: "bob",
      fserv_arg_channel: "cam 7",
      fserv_arg_wait: "60",
    });
    await server.watched("bob/cam 7", 1);
    const broadcaster = server.broadcast({ ...bob, fserv_arg_channel: "cam 7", fserv_arg_bufsize: "524288" });
    await broadcaster.finish("media");
    expect(await broadcaster.outcome()).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(await watcher.outcome()).toEqual({ status: 0, stdout: "media", stderr: "" });
  });
});

describe("what is no request", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({ server: 'handshake_timeout = "300ms"' });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  const login = "broadcast,user=fier,user_password=123";
  /** A ClientHello's record (RFC 8446, section 5.1) around random bytes. */
  const hello = Buffer.concat([Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]), noise(507, 3)]);
  const garbage: [what: string, bytes: Uint8Array][] = [
    ["random bytes", noise(50_000, 7)],
    ["more random bytes", noise(300_000, 8)],
    ["nothing at all", new Uint8Array(0)],
    ["a lone line end", Buffer.from("\n")],
    ["half a length", Buffer.from("\n\n\0\0")],
    ["half a text", head(login.length, login.slice(0, 9))],
    ["a length of 4 GiB", head(0xffffffff, login)],
    ["a length just above the limit", head(4097, "watch,user=fier,x=".padEnd(4097, "x"))],
    ["a length of 0", head(0, login)],
    ["no null byte", head(login.length, login, 0x20)],
    ["broken UTF-8", head(25, Buffer.from("watch,user=fier,channel=\xff", "latin1"))],
    ["a user in broken UTF-8", head(13, Buffer.from("watch,user=\xc3\x28", "latin1"))],
    ["a user that leads out of the folder", head(27, "watch,user=../../etc/passwd")],
    ["a user with a null byte", head(16, "watch,user=fi\0er")],
    ["no user", head(5, "watch")],
    ["an unknown intent", head(15, "steal,user=fier")],
    ["a preamble without an end", Buffer.from("x".repeat(9000))],
    ["a TLS handshake", hello],
    ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\nHost: relay.example\r\nAccept: */*\r\n\r\n")],
  ];

  test("is refused without a byte, and harms no other peer", async () => {
    const bytes = noise(400_000, 2);
    const watcher = server.watch({}, "--wait");
    await server.watched("fier/default", 1);
    const broadcaster = server.broadcast();
    await broadcaster.send(bytes.subarray(0, 200_000));
    const peers = await Promise.all(
      garbage.map(async ([what, sent]) => ({ what, peer: (await server.dial()).send(sent) })),
    );
    for (const { what, peer } of peers) expect([what, await peer.ended()]).toEqual([what, "fin"]);
    for (const { what, peer } of peers) expect([what, peer.length]).toEqual([what, 0]);
    await broadcaster.finish(bytes.subarray(200_000));
    expect(await broadcaster.exit()).toBe(0);
    expect(await watcher.exit()).toBe(0);
    expect(sha256(watcher.bytes)).toBe(sha256(bytes));
    expect(server.run.stderr).not.toContain("fstream: error:");
  });

  test("is refused on the TLS port too", async () => {
    const plain = await Peer.dial(server.port("tls"));
    plain.request("watch,user=fier,wait=60");
    await plain.ended();
    // Nothing, or an alert (RFC 8446, section 6).
    expect(plain.text).toMatch(/^(?:\x15\x03[\0-\x04]\0\x02[\x01\x02].)?$/s);
  });

  test("is waited for on the TLS port no longer than elsewhere: silence and half a handshake end", async () => {
    for (const sent of [new Uint8Array(0), hello.subarray(0, 100)]) {
      const peer = await Peer.dial(server.port("tls"));
      peer.send(sent);
      await peer.ended();
      expect(peer.length).toBe(0);
    }
  });

  test("gains nothing by a slow handshake, however it is begun", async () => {
    const slow = await server.dial();
    const request = head(23, "watch,user=fier,wait=60");
    let sent = 0;
    await until("the server has enough of it", () => {
      if (slow.end === "open" && sent < request.length - 1) slow.send(request.subarray(sent, ++sent));
      return slow.end !== "open";
    });
    expect([await slow.ended(), slow.length]).toEqual(["fin", 0]);
  });

  test("may end within, or be reset, and is forgotten", async () => {
    for (const [, bytes] of garbage) {
      const ending = await server.dial();
      ending.send(bytes.subarray(0, 6)).finish();
      expect(await ending.ended()).toBe("fin");
      (await server.dial()).send(bytes).reset();
    }
    const watcher = server.watch({}, "--wait");
    await server.watched("fier/default", 2);
    const broadcaster = server.broadcast();
    await broadcaster.finish("all is well");
    expect(await broadcaster.exit()).toBe(0);
    expect(await watcher.outcome()).toEqual({ status: 0, stdout: "all is well", stderr: "" });
    expect(server.run.stderr).not.toContain("fstream: error:");
  });
});

describe("connections that are reset at any moment", () => {
  test("harm no other peer, and nothing of them is left", async () => {
    const server = await TestServer.start({ fstream: 'hold = "0s"\nmax_channels_per_user = 6' });
    const bytes = noise(300_000, 6);
    const login = "broadcast,user=fier,user_password=123";
    for (let round = 0; round < 40; round++) {
      const channel = `channel=${round % 5}`;
      const requests = [
        `${login},${channel}`,
        `${login},${channel},reply=1`,
        `watch,user=fier,${channel},wait=60`,
        `watch,user=fier,${channel},wait=60,reply=1`,
        "token,user=fier,user_password=123,reply=1",
      ];
      for (const [index, request] of requests.entries()) {
        const peer = await server.dial();
        peer.request(request, "\n\n", index < 2 ? bytes : "");
        if (round % 2 === 0) peer.finish();
        // Now while it is read, now while it logs in, now long after.
        for (let turn = (round * 7 + index) % 9; turn > 0; turn--) await Bun.sleep(0);
        peer.reset();
      }
    }
    const watcher = server.watch({ fserv_arg_channel: "last" }, "--wait");
    await server.watched("fier/last", 1);
    const broadcaster = server.broadcast({ fserv_arg_channel: "last" });
    await broadcaster.finish(bytes);
    expect(await broadcaster.exit()).toBe(0);
    expect(await watcher.exit()).toBe(0);
    expect(sha256(watcher.bytes)).toBe(sha256(bytes));
    expect(server.run.stderr).not.toContain("fstream: error:");
    expect(await server.stop()).toBe(0);
    expect(server.run.stderr).not.toContain("did not finish in time");
  });
});
