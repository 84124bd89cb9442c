import { expect, test } from "bun:test";
import type { AuthRequest } from "../../src/auth/authenticator.ts";
import { HttpAsker } from "../../src/auth/httpasker.ts";
import { Unanswered } from "../../src/auth/outsideauthenticator.ts";
import { authRequest } from "./request.ts";

type Answer = (request: Request) => Response | Promise<Response>;

async function ask(answer: Answer, request: AuthRequest = authRequest()): Promise<unknown> {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
  try {
    const asker = new HttpAsker(`http://127.0.0.1:${server.port}/auth?key=k`);
    return await asker.ask(request, new AbortController().signal);
  } catch (error) {
    return error;
  } finally {
    void server.stop(true);
  }
}

async function sent(request: AuthRequest): Promise<unknown> {
  let body: unknown;
  const answer = async (got: Request) => {
    const { method, url, headers } = got;
    body = [method, new URL(url).search, headers.get("content-type"), await got.json()];
    return new Response();
  };
  expect(await ask(answer, request)).toBe(true);
  return body;
}

test("the request is MediaMTX's, with all of its keys", async () => {
  const full = authRequest({ channel: "cam/1", address: "::1", query: "a=b&c", userAgent: "OBS", id: "7" });
  const media = {
    ip: "::1",
    user: "fier",
    password: "foobar",
    token: "",
    action: "publish",
    path: "fier/cam/1",
    protocol: "fstreams",
    id: "7",
    query: "a=b&c",
    userAgent: "OBS",
  };
  expect(await sent(full)).toEqual(["POST", "?key=k", "application/json", media]);
  const { password: _, ...anonymous } = authRequest({ action: "watch", protocol: "http" });
  expect(await sent(anonymous)).toEqual([
    "POST",
    "?key=k",
    "application/json",
    {
      ...media,
      ip: "192.0.2.1",
      user: "",
      password: "",
      action: "read",
      path: "fier/default",
      protocol: "http",
      id: "1",
      query: "",
      userAgent: "",
    },
  ]);
  expect(await sent(authRequest({ action: "watch", watcher: "ann" }))).toMatchObject({
    3: { user: "ann", action: "read", path: "fier/default" },
  });
  const { channel: __, ...token } = authRequest({ action: "token" });
  expect(await sent(token)).toMatchObject({ 3: { user: "fier", action: "publish", path: "fier" } });
});

test("a status of 2xx lets in, whatever the body says that is no decision", async () => {
  for (const response of [
    new Response(null, { status: 204 }),
    new Response("ok", { status: 201 }),
    new Response("<p>allow</p>", { headers: { "Content-Type": "text/html" } }),
    Response.json("ok"),
    Response.json({ status: "ok" }),
    Response.json([{ allow: false }]),
  ])
    expect(await ask(() => response)).toBe(true);
});

test("a decision in the body says more, but never lets in where the status does not", async () => {
  const refusal = { allow: false, reason: "closed", tellReason: true };
  expect(await ask(() => Response.json({ allow: true, maxWatchers: 2 }))).toEqual({
    allow: true,
    maxWatchers: 2,
  });
  expect(await ask(() => Response.json(refusal))).toEqual(refusal);
  expect(await ask(() => Response.json(refusal, { status: 403 }))).toEqual(refusal);
  expect(await ask(() => Response.json({ allow: true }, { status: 403 }))).toEqual({
    allow: false,
    reason: 'status 403: {"allow":true}',
  });
  expect(await ask(() => new Response("", { status: 401 }))).toEqual({ allow: false, reason: "status 401" });
});

test("what is no answer is none", async () => {
  const endless = new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(1000)) });
  const json = { headers: { "Content-Type": "application/json; charset=utf-8" } };
  for (const [response, message, isTemporary] of [
    [new Response("", { status: 500 }), "failed: it answered 500", true],
    [new Response("", { status: 429 }), "failed: it answered 429", true],
    [Response.redirect("/elsewhere"), "answered with a redirect, which is not followed", false],
    [new Response(endless), "answered more than 65536 bytes", false],
    [new Response('{"allow": fal', json), "answered with invalid JSON", false],
  ] as const) {
    const error = (await ask(() => response)) as Unanswered;
    expect(error).toBeInstanceOf(Unanswered);
    expect([error.message.replace(/^127.0.0.1:\d+ /, ""), error.isTemporary]).toEqual([message, isTemporary]);
  }
});

test("one that can't be reached is named without what may be secret in its address", async () => {
  const asker = new HttpAsker("http://127.0.0.1:1/auth?key=secret");
  const asked = asker.ask(authRequest(), new AbortController().signal);
  const error = (await asked.catch((one: unknown) => one)) as Unanswered;
  expect([error.message.split(": ", 1)[0], error.isTemporary]).toEqual([
    "127.0.0.1:1 can't be reached",
    true,
  ]);
});

test("the request ends with the wait for it", async () => {
  const gone = Promise.withResolvers<void>();
  const over = new AbortController();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ signal }) => {
      signal.addEventListener("abort", () => gone.resolve());
      over.abort();
      return new Promise(() => {});
    },
  });
  const asked = new HttpAsker(server.url.href).ask(authRequest(), over.signal);
  expect(await asked.catch((error: unknown) => error)).toBeInstanceOf(Unanswered);
  await gone.promise;
  void server.stop(true);
});
