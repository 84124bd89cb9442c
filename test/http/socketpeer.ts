// The client's end of a WebSocket, without a socket: what a test says on it, and what the server answers.

import type { Api } from "../../src/http/api.ts";
import { Exchange } from "../../src/http/exchange.ts";
import { opcodes } from "../../src/http/frames.ts";
import { Parts } from "../../src/http/parts.ts";
import { FakePeer, type TestServer } from "../session/peer.ts";
import { type ClientFrame, clientFrame, joined, serverFrames } from "./clientframes.ts";

/** What a server may be told of its proxies. */
const trusted = (address: string) => address === "198.51.100.7";

export function connectHttp(server: TestServer, secure = false, address = "192.0.2.1"): FakePeer {
  const services = {
    ...server.services,
    trusted,
    limits: { enterClient: () => {}, leaveClient: () => {} },
    frameAncestors: "'self'",
    api: {} as Api, // no test asks for it on a WebSocket
    parts: new Parts(server.services.clock),
  };
  return new FakePeer(secure, address, (connection) => new Exchange(connection, services));
}

/** The head of a request for a WebSocket. */
export function upgradeRequest(path: string, fields: Readonly<Record<string, string>> = {}): string {
  const all = {
    Host: "relay.example",
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...fields,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

export class SocketPeer {
  readonly peer: FakePeer;
  /** The response's head. */
  readonly head: string;
  /** Bytes of the stream, from all binary messages that are whole. */
  stream: Uint8Array = new Uint8Array(0);
  #rest: Uint8Array = new Uint8Array(0);

  /** Asks for a WebSocket, and says `first` on it at once, if anything. */
  constructor(
    peer: FakePeer,
    path: string,
    first: object | null,
    fields: Readonly<Record<string, string>> = {},
  ) {
    this.peer = peer;
    const frames =
      first === null ? [] : [clientFrame({ opcode: opcodes.text, payload: JSON.stringify(first) })];
    peer.send(upgradeRequest(path, fields), ...frames);
    const bytes = peer.take();
    const end = Buffer.from(bytes).indexOf("\r\n\r\n") + 4;
    this.head = Buffer.from(bytes.subarray(0, end)).toString();
    this.#rest = bytes.subarray(end);
  }

  send(...frames: readonly ClientFrame[]): void {
    this.peer.send(joined(...frames.map(clientFrame)));
  }

  say(message: object): void {
    this.send({ opcode: opcodes.text, payload: JSON.stringify(message) });
  }

  /** What has come since the last look, but for the stream: texts as values, other frames as "close 1000 words" and the like. */
  take(): unknown[] {
    const { frames, rest } = serverFrames(joined(this.#rest, this.peer.take()));
    this.#rest = rest;
    const all: unknown[] = [];
    for (const { opcode, payload } of frames) {
      const buffer = Buffer.from(payload);
      if (opcode === opcodes.binary) this.stream = joined(this.stream, payload);
      else if (opcode === opcodes.text) all.push(JSON.parse(buffer.toString()));
      else if (opcode === opcodes.close)
        all.push(
          buffer.length === 0
            ? "close"
            : `close ${buffer.readUInt16BE()} ${buffer.toString("utf8", 2)}`.trim(),
        );
      else all.push(`${opcode === opcodes.ping ? "ping" : "pong"} ${buffer.toString()}`.trim());
    }
    return all;
  }

  /** Bytes of a frame that is not whole yet. */
  get restBytes(): number {
    this.take();
    return this.#rest.length;
  }
}
