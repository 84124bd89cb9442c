import { expect, test } from "bun:test";
import type { Socket } from "bun";
import { parseAddress } from "../../src/client/address.ts";
import { EndFinder, type HttpResponse, parseResponse } from "../../src/client/http.ts";
import { fetchToken } from "../../src/client/token.ts";
import { FstreamError } from "../../src/errors.ts";
import { certificates } from "../certificates.ts";
import { frameBytes, type Peer, standIn } from "./standin.ts";

const login = { user: "fier", password: "1,2%3" };

async function overTcp(
  script: (peer: Peer) => Promise<void> | void,
): Promise<{ result: unknown; request: string }> {
  await using server = standIn(script);
  const result = await fetchToken(parseAddress(server.address), { type: "system" }, login).catch(
    (e: unknown) => e,
  );
  return { result, request: server.requests[0] };
}

test("a token comes in an ok frame, and the password with a comma is escaped", async () => {
  const { result, request } = await overTcp((peer) => peer.frame("ok,token=abc,expires=120"));
  expect(result).toBe("abc");
  expect(request).toBe("token,user=fier,user_password*=1%2C2%253,reply=1");
});

test("a bare token of a server that knows no replies is taken when it closes", async () => {
  const { result } = await overTcp(async (peer) => {
    await peer.send("ab");
    await peer.delivered();
    await peer.send("cd\n");
    peer.fin();
  });
  expect(result).toBe("abcd");
});

test("a token that is cut off by a reset is none", async () => {
  const { result } = await overTcp(async (peer) => {
    await peer.send("ab");
    await peer.delivered();
    peer.reset();
  });
  expect(result).toMatchObject({ code: "disconnected" });
});

test("a refusal keeps its code and gets a hint", async () => {
  const { result } = await overTcp((peer) =>
    peer.frame("error,code=unauthorized,message*=wrong user or password"),
  );
  expect(result).toMatchObject({
    code: "unauthorized",
    message: "wrong user or password",
    hint: expect.stringContaining("--user"),
  });
});

test("a server that answers in TLS is distinguished from one that sends a token, and may be the HTTPS one", async () => {
  const { result } = await overTcp(async (peer) => {
    await peer.send(new Uint8Array([0x15, 3, 1, 0, 2, 2, 0x46]));
    peer.fin();
  });
  expect(result).toMatchObject({ code: "failed", hint: expect.stringContaining("use https://127.0.0.1:") });
});

test("a connection closed without a word, or within one, is lost, and may be how an original server refuses", async () => {
  const { result } = await overTcp((peer) => peer.fin());
  expect(result).toMatchObject({ code: "disconnected", hint: expect.stringContaining("--user") });
  const cut = await overTcp(async (peer) => {
    await peer.send(frameBytes("ok,token=abc").subarray(0, 10));
    peer.fin();
  });
  expect(cut.result).toMatchObject({ code: "disconnected" });
});

test("over TLS, which no original server speaks, a connection closed without a word is only lost", async () => {
  await using server = standIn((peer) => peer.fin(), { tls: certificates.loopback });
  const trust = { type: "fingerprint", sha256: certificates.loopback.sha256 } as const;
  const address = parseAddress(`fstreams://${server.address}`);
  const error = await fetchToken(address, trust, login).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "disconnected", hint: undefined });
});

test("what could break a script's variable or a terminal is no token", async () => {
  const { result } = await overTcp((peer) => peer.frame("ok,token*=a%0Ab"));
  expect(result).toMatchObject({ code: "failed" });
});

test("over https the password goes in Basic authentication, to the pinned certificate and to no other", async () => {
  const seen: string[] = [];
  const { elsewhere, loopback } = certificates;
  using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: { cert: elsewhere.cert, key: elsewhere.key },
    fetch(request) {
      const { pathname } = new URL(request.url);
      seen.push(
        `${request.method} ${pathname} ${request.headers.get("authorization")} ${request.headers.get("accept")}`,
      );
      return new Response("abc\n");
    },
  });
  const address = parseAddress(`https://127.0.0.1:${server.port}`);
  expect(await fetchToken(address, { type: "fingerprint", sha256: elsewhere.sha256 }, login)).toBe("abc");
  expect(seen).toEqual([`POST /token Basic ${btoa("fier:1,2%3")} text/plain`]);
  const refused = fetchToken(address, { type: "fingerprint", sha256: loopback.sha256 }, login);
  expect(await refused.catch((error: unknown) => error)).toMatchObject({ code: "failed" });
  expect(seen.length).toBe(1);
});

const refusals: [status: number, code: string | undefined, expected: string][] = [
  [401, undefined, "unauthorized"],
  [403, undefined, "forbidden"],
  [429, undefined, "limit"],
  [503, undefined, "busy"],
  [503, "shutting_down", "shutting_down"],
  [400, "bad_request", "bad_request"],
  [500, undefined, "internal"],
  [404, undefined, "failed"],
  [302, undefined, "failed"],
  [503, "nonsense", "busy"],
];

test.each(refusals)("HTTP status %p with code %p means %s", async (status, code, expected) => {
  using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () =>
      new Response("the reason\n", {
        status,
        headers: { Location: "/elsewhere", ...(code === undefined ? {} : { "X-Fstream-Code": code }) },
      }),
  });
  const address = parseAddress(`http://127.0.0.1:${server.port}`);
  const error = await fetchToken(address, { type: "system" }, login).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: expected });
  if (code === "shutting_down") expect(error).toMatchObject({ message: "the reason" });
});

test("a redirect is not followed: the hint says where it leads", async () => {
  using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ url }) => Response.redirect(url.replace("http:", "https:"), 307),
  });
  const address = parseAddress(`http://127.0.0.1:${server.port}`);
  const error = await fetchToken(address, { type: "system" }, login).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: "failed",
    message: "the server answered with HTTP status 307",
    hint: `the address may be https://127.0.0.1:${server.port}`,
  });
});

test("a refusal over HTTP is reported in a line, however long it is", async () => {
  using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => new Response("no".repeat(20_000), { status: 503, headers: { "X-Fstream-Code": "busy" } }),
  });
  const address = parseAddress(`http://127.0.0.1:${server.port}`);
  const error = await fetchToken(address, { type: "system" }, login).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "busy", message: "no".repeat(250) });
});

test("an endless refusal over HTTP is not read to its end", async () => {
  let pulled = 0;
  function pull(controller: ReadableStreamDefaultController): void {
    pulled += 65_536;
    controller.enqueue(new Uint8Array(65_536).fill(0x1b));
  }
  using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => new Response(new ReadableStream({ pull }), { status: 401 }),
  });
  const address = parseAddress(`http://127.0.0.1:${server.port}`);
  const error = await fetchToken(address, { type: "system" }, login).catch((thrown: unknown) => thrown);
  expect((error as Error).message.length).toBeLessThan(1000);
  expect(pulled).toBeLessThan(8 * 1024 * 1024);
});

test("an endless answer over HTTP is not waited for", async () => {
  using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => new Response(new Uint8Array(17 * 1024 * 1024)),
  });
  const address = parseAddress(`http://127.0.0.1:${server.port}`);
  const error = await fetchToken(address, { type: "system" }, login).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "failed", message: expect.stringContaining("too large") });
});

const whole = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A:  b \r\n\r\nabcdef";
const chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\n\r\n";

function read(text: string, complete = false) {
  return parseResponse(Buffer.from(text), complete);
}

test("a response ends where its length, its last chunk or the connection's end says", () => {
  const expected = { status: 200, body: "abc" };
  expect(read(whole)).toMatchObject(expected);
  expect((read(whole) as HttpResponse).headers.get("x-a")).toBe("b");
  expect(read(chunked)).toMatchObject(expected);
  expect(read("HTTP/1.0 200 OK\r\n\r\nabc", true)).toMatchObject(expected);
  expect(read("HTTP/1.0 200 OK\r\n\r\nabc", false)).toBe("cut short");
  expect(read("SSH-2.0-OpenSSH\r\n\r\n", true)).toBe("no HTTP");
  expect(read("SSH-2.0-OpenSSH", true)).toBe("no HTTP");
});

test("interim responses come before the response", () => {
  const interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 1\r\n\r\n";
  expect(read(interim + whole)).toMatchObject({ status: 200, body: "abc" });
  expect(read(interim, true)).toBe("cut short");
});

test("a token over HTTP that is whole is taken from a server that does not close", async () => {
  for (const answer of [whole, chunked]) {
    const open: Socket[] = [];
    using server = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data: (socket) => {
          open.push(socket);
          socket.write(answer);
        },
      },
    });
    const address = parseAddress(`http://127.0.0.1:${server.port}`);
    expect(await fetchToken(address, { type: "system" }, login)).toBe("abc");
    for (const socket of open) socket.terminate();
  }
});

test("a length that is none is no HTTP, a chunk that does not end where it says is cut short", () => {
  for (const length of [
    "-3",
    "+3",
    "3.0",
    "0x3",
    "1e1",
    "",
    "3, 3",
    "3\r\nContent-Length: 2",
    "9".repeat(30),
  ]) {
    expect(read(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\nabc`, true)).toBe("no HTTP");
  }
  const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const body of [
    "-3\r\nabc\r\n0\r\n\r\n",
    "3\r\nabcd\r\n0\r\n\r\n",
    "3z\r\nabc\r\n0\r\n\r\n",
    "3\r\nabc",
  ]) {
    expect(read(head + body, true)).toBe("cut short");
  }
});

test("over https a token whose end is only the connection's may be cut short, and is none", async () => {
  const { loopback } = certificates;
  const answers = [
    "HTTP/1.1 200 OK\r\n\r\nabcdef",
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcdef",
    "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabcdef",
  ];
  for (const answer of answers) {
    using server = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      tls: { cert: loopback.cert, key: loopback.key },
      socket: {
        data: (socket) => {
          socket.write(answer);
          socket.end();
        },
      },
    });
    const address = parseAddress(`https://127.0.0.1:${server.port}`);
    const trust = { type: "fingerprint", sha256: loopback.sha256 } as const;
    const result = await fetchToken(address, trust, login).catch((thrown: unknown) => thrown);
    expect(result).toBeInstanceOf(FstreamError);
  }
});

test("the end of a response is found where it is, once, as its bytes come one by one", () => {
  const early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 1\r\n\r\n";
  for (const text of [whole, chunked, early + whole, early + chunked]) {
    const bytes = Buffer.from(text);
    const ends = Array.from(bytes.keys(), (at) => bytes.subarray(0, at + 1));
    const first = ends.findIndex((sofar) => typeof parseResponse(sofar, false) === "object");
    const finder = new EndFinder();
    const found = ends.flatMap((sofar, at) => (finder.isWhole(sofar) ? [at] : []));
    expect(found).toEqual([first]);
  }
});

test("the end of what makes no sense is nowhere, or said once", () => {
  const endless = ["HTTP/1.1 200 OK\r\n\r\nabc", `${chunked.slice(0, -12)}x\r\n\r\n`, "SSH-2.0\r\n"];
  for (const text of endless)
    expect([text, new EndFinder().isWhole(Buffer.from(text))]).toEqual([text, false]);
  const finder = new EndFinder();
  const twice = Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 2\r\n\r\nabc");
  expect([finder.isWhole(twice), finder.isWhole(twice)]).toEqual([true, false]);
});

test("every truncation of a response is recognised as one", () => {
  for (const text of [whole.slice(0, -3), chunked.slice(0, -4)]) {
    for (let end = 0; end < text.length; end++) {
      expect([end, parseResponse(Buffer.from(text.slice(0, end)), true)]).toEqual([end, "cut short"]);
    }
  }
});

test("a server that closes on plain HTTP without a word may speak HTTPS: a hint says so", async () => {
  await using server = standIn(() => undefined, { tls: certificates.loopback });
  const { port } = server;
  const result = await fetchToken(parseAddress(`http://127.0.0.1:${port}`), { type: "system" }, login).catch(
    (error: unknown) => error,
  );
  expect(result).toMatchObject({ hint: `if this is the HTTPS port, use https://127.0.0.1:${port}` });
});
