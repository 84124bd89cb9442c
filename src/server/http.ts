// HTTP on a connection: one request is read (httprequest.ts), answered (endpoints.ts), and that is all, whatever else the
// peer sends. So a connection costs the work of one request, and lasts no longer than its time for the request, the answer,
// and the closing; what comes behind the request is dropped unread by anything but the socket.
//
//   request --> answer --> closing
//         '---------------> closed (no whole request in time, or the server stops)
//
// While it is answered the socket is not read.

import { ClosingStage } from "../session/closing.ts";
import type { Connection, ConnectionStage } from "../session/connection.ts";
import type { Services } from "../session/services.ts";
import { answer, type HttpServices, text } from "./endpoints.ts";
import { RequestReader } from "./httprequest.ts";

export interface ExchangeServices extends HttpServices, Pick<Services, "clock" | "acknowledgements"> {
  /** How long a peer may take for its handshake and its request, and to take the answer. Milliseconds. */
  readonly timeoutMs: number;
}

const proceed = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");

/** One request and its answer. */
export class Exchange implements ConnectionStage {
  readonly #connection: Connection;
  readonly #services: ExchangeServices;
  readonly #reader = new RequestReader();
  readonly #deadline: { cancel(): void };
  #stage: "request" | "answer" | "closing" = "request";
  #closing: ClosingStage | undefined;
  #peerEnded = false;
  #closed = false;

  constructor(connection: Connection, services: ExchangeServices) {
    this.#connection = connection;
    this.#services = services;
    this.#deadline = services.clock.after(services.timeoutMs, () => this.#connection.reset());
  }

  data(bytes: Uint8Array): void {
    if (this.#stage !== "request") return;
    const result = this.#reader.feed(bytes);
    switch (result.type) {
      case "more":
        // A socket that nothing was written to takes so little.
        if (result.proceed) this.#connection.write(proceed, 0, proceed.length);
        return;
      case "request": {
        const { address: peer, secure } = this.#connection;
        void this.#respond(answer({ ...result, peer, secure }, this.#services), result.method === "HEAD");
        return;
      }
      case "refused":
        void this.#respond(text(`${result.message}\n`, result.status), false);
        return;
      default:
        result satisfies never;
    }
  }

  drained(): void {
    this.#closing?.drained();
  }

  ended(): void {
    this.#peerEnded = true;
    if (this.#stage === "request") this.#connection.close();
    this.#closing?.ended();
  }

  closed(): void {
    this.#closed = true;
    this.#deadline.cancel();
    this.#closing?.closed();
  }

  /** The server stops. Without a request no answer is due, and over TLS an orderly close would wait for the peer. */
  stop(): void {
    if (this.#stage === "request") this.#connection.reset();
    if (this.#stage === "answer") void this.#end(text("the server is shutting down\n", 503), false);
  }

  async #end(response: Response, headOnly: boolean): Promise<void> {
    const bytes = await encode(response, headOnly);
    if (!this.#closed && this.#stage === "answer") this.#close(bytes);
  }

  async #respond(response: Response | Promise<Response>, headOnly: boolean): Promise<void> {
    this.#stage = "answer";
    this.#deadline.cancel();
    this.#connection.pause();
    try {
      await this.#end(await response, headOnly);
    } catch (error) {
      this.#services.log.repeated("failed", (error as Error).stack ?? String(error), "error");
      this.#connection.reset();
    }
  }

  #close(bytes: Uint8Array): void {
    const closing = new ClosingStage(
      this.#connection,
      this.#services,
      bytes,
      "fin",
      this.#services.timeoutMs,
    );
    this.#stage = "closing";
    this.#closing = closing;
    closing.begin();
    if (!this.#closed) this.#connection.resume();
    if (this.#peerEnded) closing.ended();
  }
}

/** The reason phrases (RFC 9110, section 15) of what is answered here. */
const reasons: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  411: "Length Required",
  413: "Content Too Large",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};

/** A response as it is sent, body and all; `headOnly`: as for HEAD. */
async function encode(response: Response, headOnly: boolean): Promise<Uint8Array> {
  const body = new Uint8Array(await response.arrayBuffer());
  const headers = new Headers(response.headers);
  headers.set("Content-Length", String(body.length));
  headers.set("Date", new Date().toUTCString());
  headers.set("Connection", "close");
  const fields = [...headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = `HTTP/1.1 ${response.status} ${reasons[response.status] ?? ""}\r\n${fields}\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), headOnly ? new Uint8Array(0) : body]);
}
