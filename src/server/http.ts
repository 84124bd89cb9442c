// HTTP listeners, plain and TLS. Their connections count as all others do (admission.ts), and each has so long for its TLS
// handshake and its request, for the next request after an answer, and no more; one without a request under way is closed
// when the listener stops. A request is read whole, head and body being small, and then answered (endpoints.ts).
//
// Not by Bun.serve, which tells of a connection only when there is a request on it: nothing could count or end those that
// are silent. `emit("connection", socket)` has node:http serve a socket that was accepted here.

import type { IncomingMessage, Server as RequestServer, ServerResponse } from "node:http";
import type { AddressInfo, Server, Socket } from "node:net";
import type { Admission } from "./admission.ts";
import { answer, type HttpRequest, type HttpServices, text } from "./endpoints.ts";
import { plainAddress } from "./peer.ts";

/** A body larger than that is no form of ours, bytes. */
const maxBodyBytes = 8 * 1024;

export interface HttpOptions {
  /** Empty: every address of both families. */
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** How long a peer may take for its handshake and its request, and be silent after an answer. Milliseconds. */
  readonly timeoutMs: number;
}

export interface HttpListener {
  readonly port: number;
  /** Accepts no more, and lets the requests that are on finish within `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

/** Begins to listen. Rejects with what the system says. */
export async function listenHttp(
  options: HttpOptions,
  services: HttpServices,
  admission: Admission,
): Promise<HttpListener> {
  // They take some megabytes: only where HTTP is asked for.
  const [{ createServer: createRequests }, { createServer: createPlain }, { createServer: createSecure }] =
    await Promise.all([import("node:http"), import("node:net"), import("node:tls")]);
  const requests = createRequests();
  const connections = new Connections(requests, options, services, admission);
  const { tls, host, port } = options;
  const accept = (socket: Socket) => connections.enter(socket);
  const serve = (socket: Socket) => connections.serve(socket);
  let server: Server;
  if (tls === undefined) {
    server = createPlain((socket) => {
      accept(socket);
      serve(socket);
    });
  } else {
    // "connection" comes with the same socket, before its handshake.
    server = createSecure({ cert: tls.cert, key: tls.key, handshakeTimeout: options.timeoutMs }, serve);
    server.on("connection", accept);
    server.on("tlsClientError", (_error: Error, socket: Socket) => socket.destroy());
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ port, host }, resolve);
  await promise;
  return {
    port: (server.address() as AddressInfo).port,
    stop: async (graceMs) => {
      server.close();
      await connections.stop(graceMs);
    },
  };
}

/** The open connections of a listener. */
class Connections {
  readonly #options: HttpOptions;
  readonly #services: HttpServices;
  readonly #admission: Admission;
  readonly #requests: RequestServer;
  /** Each with its deadline; without one while a request is looked at. */
  readonly #open = new Map<Socket, Timer | undefined>();
  #whenEmpty: (() => void) | undefined;

  constructor(requests: RequestServer, options: HttpOptions, services: HttpServices, admission: Admission) {
    this.#requests = requests;
    this.#options = options;
    this.#services = services;
    this.#admission = admission;
    requests.on("request", (incoming, outgoing) => void this.#take(incoming, outgoing));
    requests.on("clientError", (_error, socket) => socket.destroy());
  }

  /** Counts an accepted socket, or destroys it if there is no room. */
  enter(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    // One that was reset already has no address any more.
    const address = socket.remoteAddress === undefined ? undefined : plainAddress(socket.remoteAddress);
    if (address === undefined || this.#whenEmpty !== undefined) {
      socket.destroy();
      return;
    }
    if (!this.#admission.enter(address)) {
      this.#services.log.repeated("full", `no room even to refuse ${address}`);
      socket.destroy();
      return;
    }
    this.#open.set(socket, undefined);
    this.#await(socket);
    socket.on("close", () => {
      clearTimeout(this.#open.get(socket));
      this.#open.delete(socket);
      this.#admission.leave(address);
      if (this.#open.size === 0) this.#whenEmpty?.();
    });
  }

  /** Has the requests of a socket answered, if it was counted. */
  serve(socket: Socket): void {
    if (this.#open.has(socket)) this.#requests.emit("connection", socket);
  }

  /** Resolves when all are closed: those without a request under way now, others when that is done or after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenEmpty = resolve;
    for (const [socket, deadline] of this.#open) if (deadline !== undefined) socket.destroy();
    if (this.#open.size === 0) return;
    const timer = setTimeout(() => {
      for (const socket of this.#open.keys()) socket.destroy();
      resolve();
    }, graceMs);
    await promise;
    clearTimeout(timer);
  }

  /** From now on a whole request has to come within its time. */
  #await(socket: Socket): void {
    clearTimeout(this.#open.get(socket));
    if (!this.#open.has(socket)) return;
    this.#open.set(
      socket,
      setTimeout(() => socket.destroy(), this.#options.timeoutMs),
    );
  }

  async #take(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { socket } = incoming;
    const peer = socket.remoteAddress ?? "";
    try {
      const body = await bodyOf(incoming);
      clearTimeout(this.#open.get(socket));
      if (this.#open.has(socket)) this.#open.set(socket, undefined);
      const secure = this.#options.tls !== undefined;
      const headers = headersOf(incoming);
      const request = { method: incoming.method ?? "", target: incoming.url ?? "", headers, peer, secure };
      await this.#answer(body === undefined ? undefined : { ...request, body }, outgoing);
    } catch (error) {
      // A bug, or a peer that has gone in the middle of its request: which is no news.
      if (!socket.destroyed)
        this.#services.log.repeated("failed", (error as Error).stack ?? String(error), "error");
      socket.destroy();
    }
    this.#await(socket);
  }

  async #answer(request: HttpRequest | undefined, outgoing: ServerResponse): Promise<void> {
    const response =
      request === undefined
        ? text("the body is larger than anything that is taken here\n", 413)
        : await answer(request, this.#services);
    const body = new Uint8Array(await response.arrayBuffer());
    const headers: Record<string, string | number> = { "Content-Length": body.length };
    for (const [name, value] of response.headers) headers[name] = value;
    if (this.#whenEmpty !== undefined) headers.Connection = "close";
    outgoing.writeHead(response.status, headers);
    outgoing.end(body);
  }
}

/** The body, or undefined if it is too large; what is too much of it is read and dropped, since its sender may not read before. */
async function bodyOf(incoming: IncomingMessage): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of incoming as AsyncIterable<Uint8Array>) {
    bytes += piece.length;
    if (bytes <= maxBodyBytes) pieces.push(piece);
  }
  return bytes > maxBodyBytes ? undefined : new Uint8Array(Buffer.concat(pieces));
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) headers.append(rawHeaders[i], rawHeaders[i + 1]);
  return headers;
}
