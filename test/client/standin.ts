// A server whose every move a test decides: it takes a request apart, by the specification and not by our
// decoder, and hands the connection to the test's script. Port 0, loopback, optionally TLS.

import type { Socket, TLSOptions } from "bun";
import { unacknowledgedBytes } from "../../src/server/libc.ts";

export interface Peer {
  /** The text of the request. */
  readonly text: string;
  /** Its fields, as they stand there. */
  readonly fields: ReadonlyMap<string, string>;
  /** Which connection this is, from 1. */
  readonly number: number;
  /** Everything that came after the request. */
  received(): Buffer;
  /** Bytes after the request so far; cheaper than `received`. */
  receivedBytes(): number;
  /** Resolves when so many bytes have come, or the client has no more to say. */
  until(bytes: number): Promise<void>;
  /** Resolves with what was received when the client has sent its FIN, or the connection is gone. */
  readonly finished: Promise<Buffer>;
  /** Resolves when the connection is gone. */
  readonly gone: Promise<void>;
  /** Resolves when the kernel took it all. */
  send(bytes: Uint8Array | string): Promise<void>;
  frame(text: string): Promise<void>;
  /** Resolves when the client's kernel has all that was sent: a reset then takes none of it back. */
  delivered(): Promise<void>;
  fin(): void;
  reset(): void;
  /** Stops reading, so that the client is held up; `resume` goes on. */
  pause(): void;
  resume(): void;
}

export interface StandIn extends AsyncDisposable {
  readonly port: number;
  readonly address: string;
  /** Texts of all requests, in order. */
  readonly requests: readonly string[];
  /** Bytes that came before a request was whole, of all connections. */
  rawBytes(): number;
  stop(): void;
  /** Refuses connections from now on; those that are there stay. */
  stopListening(): void;
}

export interface StandInOptions {
  readonly tls?: TLSOptions;
  readonly port?: number;
  /** Whether what broadcasters send is kept, or only counted. */
  readonly keep?: boolean;
}

interface State {
  readonly pieces: Buffer[];
  head: Buffer;
  asked: boolean;
  bytes: number;
  /** Whether the client has no more to say. */
  over: boolean;
  drain: () => void;
  progress: () => void;
  readonly finished: PromiseWithResolvers<Buffer>;
  readonly gone: PromiseWithResolvers<void>;
}

/** Starts a server that runs `script` for each request. */
export function standIn(script: (peer: Peer) => Promise<void> | void, options: StandInOptions = {}): StandIn {
  const requests: string[] = [];
  const sockets = new Set<Socket<State>>();
  let raw = 0;
  const listener = Bun.listen<State>({
    hostname: "127.0.0.1",
    port: options.port ?? 0,
    allowHalfOpen: true,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    socket: {
      open(socket) {
        sockets.add(socket);
        socket.data = {
          pieces: [],
          head: Buffer.alloc(0),
          asked: false,
          bytes: 0,
          over: false,
          drain: () => undefined,
          progress: () => undefined,
          finished: Promise.withResolvers<Buffer>(),
          gone: Promise.withResolvers<void>(),
        };
      },
      data(socket, bytes) {
        const state = socket.data;
        if (state.asked) {
          state.bytes += bytes.length;
          if (options.keep !== false) state.pieces.push(Buffer.from(bytes));
          state.progress();
          return;
        }
        raw += bytes.length;
        // A ClientHello of TLS is no request, whatever its random bytes look like.
        if (state.head.length === 0 && bytes[0] === 0x16) return;
        state.head = Buffer.concat([state.head, bytes]);
        const found = takeApart(state.head);
        if (found === undefined) return;
        state.asked = true;
        requests.push(found.text);
        if (found.rest.length > 0) {
          state.bytes = found.rest.length;
          state.pieces.push(found.rest);
        }
        void script(peerOf(socket, found.text, requests.length));
      },
      drain: (socket) => socket.data.drain(),
      end(socket) {
        socket.data.over = true;
        socket.data.finished.resolve(Buffer.concat(socket.data.pieces));
        socket.data.progress();
      },
      close(socket) {
        // A TLS handshake that fails is a close without an open.
        if (!sockets.delete(socket)) return;
        socket.data.over = true;
        socket.data.finished.resolve(Buffer.concat(socket.data.pieces));
        socket.data.gone.resolve();
        socket.data.progress();
        socket.data.drain();
      },
    },
  });
  const stop = () => {
    listener.stop(true);
    for (const socket of sockets) socket.terminate();
  };
  return {
    port: listener.port,
    address: `127.0.0.1:${listener.port}`,
    requests,
    rawBytes: () => raw,
    stop,
    stopListening: () => listener.stop(false),
    [Symbol.asyncDispose]: () => Promise.resolve(stop()),
  };
}

/** A frame as the specification has it: length, null byte, text. */
export function frameBytes(text: string): Buffer {
  const bytes = Buffer.from(text, "utf8");
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(bytes.length);
  return Buffer.concat([prefix, bytes]);
}

/** A request's text, once all of it is there, and what follows it. */
function takeApart(bytes: Buffer): { text: string; rest: Buffer } | undefined {
  const at = bytes.indexOf("\n\n");
  if (at < 0 || bytes.length < at + 7) return undefined;
  const end = at + 7 + bytes.readUInt32BE(at + 2);
  if (bytes[at + 6] !== 0) throw new Error("no null byte after the length");
  if (bytes.length < end) return undefined;
  return { text: bytes.toString("utf8", at + 7, end), rest: bytes.subarray(end) };
}

function peerOf(socket: Socket<State>, text: string, number: number): Peer {
  const state = socket.data;
  const fields = new Map<string, string>();
  for (const part of text.split(",").slice(1)) {
    const equals = part.indexOf("=");
    fields.set(part.slice(0, equals), part.slice(equals + 1));
  }
  const send = async (bytes: Uint8Array | string) => {
    const buffer = Buffer.from(bytes as Uint8Array);
    let at = 0;
    while (at < buffer.length) {
      const took = socket.write(buffer, at, buffer.length - at);
      if (took < 0) return;
      at += took;
      if (at < buffer.length) {
        await new Promise<void>((resolve) => {
          state.drain = resolve;
        });
      }
    }
  };
  return {
    text,
    fields,
    number,
    received: () => Buffer.concat(state.pieces),
    receivedBytes: () => state.bytes,
    until: async (bytes) => {
      while (state.bytes < bytes && !state.over) {
        await new Promise<void>((resolve) => {
          state.progress = resolve;
        });
      }
    },
    finished: state.finished.promise,
    gone: state.gone.promise,
    send,
    frame: (content) => send(frameBytes(content)),
    delivered: async () => {
      const { fd } = socket as unknown as { readonly fd: number };
      while ((unacknowledgedBytes(fd) ?? 0) > 0) await Bun.sleep(1);
    },
    fin: () => {
      socket.shutdown();
    },
    reset: () => {
      socket.terminate();
    },
    pause: () => {
      socket.pause();
    },
    resume: () => {
      socket.resume();
    },
  };
}
