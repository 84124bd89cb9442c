// Every way to watch, to broadcast and to get a token, by hand and in the same form, for tests of what holds for all of them.

import { clientFrame, serverFrames } from "../http/clientframes.ts";
import { Peer, type TestServer, until } from "./program.ts";

export type Purpose = "watch" | "broadcast" | "token";

export interface Asked {
  readonly channel?: string;
  /** Of a watcher. */
  readonly wait?: number;
  readonly start?: string;
  /** What a broadcaster sends. */
  readonly media?: Uint8Array;
  /** Where the server is reached; 127.0.0.1 if left out. */
  readonly host?: string | undefined;
  /** What a proxy would say of the client. */
  readonly forwardedFor?: string;
}

/** What has come of asking. */
export interface Attempt {
  readonly peer: Peer;
  /** The code and the words of a refusal, "ok" and nothing once it is let in; undefined: no answer so far. */
  answer(): { readonly code: string; readonly message: string } | undefined;
  /** How many bytes of a stream have come. */
  streamBytes(): number;
}

export interface Way {
  readonly name: string;
  readonly purpose: Purpose;
  ask(server: TestServer, asked: Asked): Promise<Attempt>;
}

/** The answer to an attempt. */
export function answered(attempt: Attempt): Promise<{ readonly code: string; readonly message: string }> {
  return until("it is answered", () => attempt.answer());
}

type Listener = "tcp" | "tls" | "http" | "https";

const isSecure = (listener: Listener) => listener === "tls" || listener === "https";
const basic = `Basic ${btoa("fier:123")}`;
const ok = { code: "ok", message: "" };

function raw(purpose: Purpose, listener: "tcp" | "tls"): Way {
  return {
    name: `${purpose} over ${listener}`,
    purpose,
    ask: async (server, { channel = "default", wait, start, media, host }) => {
      const peer = await Peer.dial(server.port(listener), isSecure(listener), host);
      const login = purpose === "watch" ? "" : ",user_password=123";
      const extra = `${wait === undefined ? "" : `,wait=${wait}`}${start === undefined ? "" : `,start=${start}`}`;
      peer.request(`${purpose},user=fier,channel=${channel}${login},reply=1${extra}`, "\n\n", media);
      return {
        peer,
        answer: () => {
          const refused = /error,code=(\w+),message\*?=([^\0]*)/.exec(peer.text);
          if (refused !== null) return { code: refused[1], message: decodeURIComponent(refused[2]) };
          return peer.length >= 7 ? ok : undefined;
        },
        streamBytes: () => Math.max(0, peer.length - 43),
      };
    },
  };
}

function headOf(line: string, { forwardedFor }: Asked, fields: Readonly<Record<string, string>>): string {
  const all = {
    Host: "127.0.0.1",
    ...(forwardedFor === undefined ? {} : { "X-Forwarded-For": forwardedFor, "X-Forwarded-Proto": "https" }),
    ...fields,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${line} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** Where a response's head ends; undefined as long as that has not come. */
function bodyAt(peer: Peer): number | undefined {
  const end = peer.text.indexOf("\r\n\r\n");
  return end < 0 ? undefined : end + 4;
}

/** The answer in a response of HTTP. */
function answerIn(peer: Peer): ReturnType<Attempt["answer"]> {
  const body = bodyAt(peer);
  if (body === undefined) return undefined;
  const head = peer.text.slice(0, body);
  if (/^HTTP\/1\.1 (1|2)/.test(head)) return ok;
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1]);
  if (peer.length < body + length) return undefined;
  const code = /\r\nx-fstream-code: (\w+)/i.exec(head)?.[1] ?? head.slice(9, 12);
  return { code, message: peer.text.slice(body).trim() };
}

function inHttp(purpose: Purpose, listener: Listener): Way {
  return {
    name: `${purpose === "watch" ? "GET" : purpose === "broadcast" ? "PUT" : "POST of a token"} over ${listener}`,
    purpose,
    ask: async (server, asked) => {
      const { channel = "default", wait, start, media = new Uint8Array(1), host } = asked;
      const peer = await Peer.dial(server.port(listener), isSecure(listener), host);
      if (purpose === "watch") {
        const query = new URLSearchParams();
        if (wait !== undefined) query.set("wait", String(wait));
        if (start !== undefined) query.set("start", start);
        peer.send(headOf(`GET /watch/fier/${channel}?${query.toString()}`, asked, {}));
      } else if (purpose === "broadcast") {
        // One byte more is announced, so that it goes on.
        const fields = { Authorization: basic, "Content-Length": String(media.length + 1) };
        peer.send(headOf(`PUT /broadcast/fier/${channel}`, asked, fields)).send(media);
      } else {
        const form = "user=fier&user_password=123";
        const type = "application/x-www-form-urlencoded";
        const fields = { "Content-Type": type, "Content-Length": String(form.length) };
        peer.send(headOf("POST /token", asked, fields) + form);
      }
      return {
        peer,
        answer: () => answerIn(peer),
        streamBytes: () => peer.length - (bodyAt(peer) ?? peer.length),
      };
    },
  };
}

function webSocket(purpose: "watch" | "broadcast", listener: "http" | "https"): Way {
  return {
    name: `${purpose} in a WebSocket over ${listener}`,
    purpose,
    ask: async (server, asked) => {
      const { channel = "default", wait, start, media, host } = asked;
      const peer = await Peer.dial(server.port(listener), isSecure(listener), host);
      const fields = {
        Upgrade: "websocket",
        Connection: "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
      };
      const first = purpose === "watch" ? { wait, start } : { user_password: "123" };
      peer.send(headOf(`GET /${purpose}/fier/${channel}`, asked, fields));
      peer.send(clientFrame({ opcode: 1, payload: JSON.stringify(first) }));
      if (media !== undefined)
        for (let at = 0; at < media.length; at += 50_000)
          peer.send(clientFrame({ opcode: 2, payload: media.subarray(at, at + 50_000) }));
      const frames = () => {
        const body = bodyAt(peer);
        return body === undefined ? [] : serverFrames(new Uint8Array(peer.bytes.subarray(body))).frames;
      };
      return {
        peer,
        answer: () => {
          const head = answerIn(peer);
          if (head?.code !== "ok") return head;
          const texts = frames().flatMap(({ opcode, payload }) =>
            opcode === 1 ? [JSON.parse(Buffer.from(payload).toString()) as Record<string, string>] : [],
          );
          const error = texts.find(({ type }) => type === "error");
          if (error !== undefined) return { code: error.code, message: error.message };
          return texts.length > 0 ? ok : undefined;
        },
        streamBytes: () =>
          frames().reduce((sum, { opcode, payload }) => sum + (opcode === 2 ? payload.length : 0), 0),
      };
    },
  };
}

/** What a server needs to be reached in all ways. */
export const allListeners = (host: string) => ({
  listen: `${host}:0`,
  tls_listen: `${host}:0`,
  http_listen: `${host}:0`,
  https_listen: `${host}:0`,
});

export const ways: readonly Way[] = [
  raw("watch", "tcp"),
  raw("watch", "tls"),
  inHttp("watch", "tcp"),
  inHttp("watch", "tls"),
  inHttp("watch", "http"),
  inHttp("watch", "https"),
  webSocket("watch", "http"),
  webSocket("watch", "https"),
  raw("broadcast", "tcp"),
  raw("broadcast", "tls"),
  inHttp("broadcast", "http"),
  inHttp("broadcast", "https"),
  webSocket("broadcast", "http"),
  webSocket("broadcast", "https"),
  raw("token", "tcp"),
  raw("token", "tls"),
  inHttp("token", "http"),
  inHttp("token", "https"),
];

export const waysTo = (purpose: Purpose) => ways.filter((way) => way.purpose === purpose);
