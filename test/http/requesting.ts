// Both ends of an HTTP connection, without a socket between them.

import { FstreamError } from "../../src/errors.ts";
import type { Api } from "../../src/http/api.ts";
import { Exchange } from "../../src/http/exchange.ts";
import { Parts } from "../../src/http/parts.ts";
import type { HttpServices } from "../../src/http/services.ts";
import { FakePeer, settled, TestServer } from "../session/peer.ts";

/** A response taken apart. */
export interface Answer {
  /** 0: there is none. */
  readonly status: number;
  readonly fields: Headers;
  readonly body: string;
}

/** The address of a proxy that is trusted. */
export const proxy = "198.51.100.1";

export class HttpTestServer extends TestServer {
  /** Clients of the proxy whose requests are under way. */
  readonly clients: string[] = [];
  readonly http: HttpServices = {
    ...this.services,
    trusted: (address) => address === proxy,
    limits: {
      enterClient: (address) => {
        if (this.clients.length === 2)
          throw new FstreamError("limit", "too many connections from this address");
        this.clients.push(address);
      },
      leaveClient: (address) => {
        this.clients.splice(this.clients.indexOf(address), 1);
      },
    },
    frameAncestors: "'self'",
    api: {} as Api, // api.test.ts has one
    parts: new Parts(this.rig.clock),
  };

  /** A connection to `http_listen`, or with `secure` to `https_listen`. */
  dial(secure = false, address = "192.0.2.1"): FakePeer {
    return new FakePeer(secure, address, (connection) => new Exchange(connection, this.http));
  }

  /** A request whose login is done: a line, header fields, and what of the body comes with them. */
  async request(
    line: string,
    fields: readonly string[],
    ...body: (Uint8Array | string)[]
  ): Promise<FakePeer> {
    const peer = this.dial();
    peer.send(head(line, fields), ...body);
    await settled();
    return peer;
  }
}

/** A request's head: `line` without the version is of HTTP/1.1. */
export function head(line: string, fields: readonly string[]): string {
  const version = line.includes(" HTTP/") ? "" : " HTTP/1.1";
  return `${line}${version}\r\n${["Host: relay.example", ...fields].join("\r\n")}\r\n\r\n`;
}

export function basic(login: string): string {
  return `Authorization: Basic ${Buffer.from(login).toString("base64")}`;
}

/** `bytes` as a chunk; without any the last one. */
export function chunk(bytes: Uint8Array | string = ""): Buffer {
  return Buffer.concat([
    Buffer.from(`${Buffer.from(bytes as Uint8Array).length.toString(16)}\r\n`),
    Buffer.from(bytes as Uint8Array),
    Buffer.from("\r\n"),
  ]);
}

/** What came since the last look, as a response. */
export function answerOf(peer: FakePeer): Answer {
  const text = Buffer.from(peer.take()).toString("latin1");
  if (text === "") return { status: 0, fields: new Headers(), body: "" };
  const end = text.indexOf("\r\n\r\n");
  const [line, ...lines] = text.slice(0, end).split("\r\n");
  const fields = new Headers(lines.map((each) => each.split(": ") as [string, string]));
  return { status: Number(line.split(" ")[1]), fields, body: text.slice(end + 4) };
}
