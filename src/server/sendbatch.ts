// Sends many pieces with one call: a loop around send(2) in C, which Bun's own C compiler (TinyCC, in `bun:ffi`) translates once
// there is a crowd. Linux alone; where that fails, watchers are written to one by one.

import { cc, FFIType, type Pointer, ptr } from "bun:ffi";
import type { SendBatch } from "../relay/sendbatch.ts";
import { libcOf, memoryFile } from "./libc.ts";

/** send(2), <bits/socket.h>. */
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
/** So many pieces are sent at a time. */
const mostPieces = 1024;
/**
 * A piece lies at an address below 2^53. What its socket took takes the place of its length; -1: nothing. It is compiled without
 * headers and libraries, which are on developers' machines alone, and so has to be given the address of send(2).
 */
const source = `
typedef long send_function(int socket, const void *bytes, unsigned long length, int flags);

struct pieces {
  double addresses[${mostPieces}];
  int sockets[${mostPieces}];
  int lengths[${mostPieces}];
};

void send_many(send_function *send, struct pieces *pieces, int count, int flags) {
  for (int i = 0; i < count; i++)
    pieces->lengths[i] = (int)send(pieces->sockets[i], (const void *)(long)pieces->addresses[i],
                                   (unsigned long)pieces->lengths[i], flags);
}
`;

const { ptr: pointer, i32, u64, i64, void: nothing } = FFIType;
const symbols = {
  send_many: { args: [pointer, pointer, i32, i32], returns: nothing },
} as const;
type Compiled = ReturnType<typeof cc<typeof symbols>>;

/** The address of libc's send(2). */
function addressOfSend(): Pointer | undefined {
  const libc = libcOf({ send: { args: [i32, pointer, u64, i32], returns: i64 } });
  // Bun has `ptr`, and its types do not.
  return (libc?.send as { readonly ptr?: Pointer } | undefined)?.ptr;
}

function compile(): Compiled | undefined {
  try {
    // What is compiled is a file: this one needs no place in the file system.
    const file = memoryFile(source);
    if (file === undefined) return undefined;
    try {
      return cc({ source: file.path, symbols, flags: "-nostdlib" });
    } finally {
      file.close();
    }
  } catch {
    return undefined;
  }
}

class CompiledSendBatch implements SendBatch {
  /** As long as it is there, so is the code. */
  readonly #compiled: Compiled;
  readonly #send: Pointer;
  readonly #pieces = new ArrayBuffer(16 * mostPieces);
  readonly #piecesAt = ptr(this.#pieces);
  readonly #addresses = new Float64Array(this.#pieces, 0, mostPieces);
  readonly #sockets = new Int32Array(this.#pieces, 8 * mostPieces, mostPieces);
  readonly #lengths = new Int32Array(this.#pieces, 12 * mostPieces, mostPieces);
  /** Where the bytes lie that were added last: mostly it is those again. */
  #bytes: Uint8Array | undefined;
  #address = 0;
  size = 0;

  constructor(compiled: Compiled, addressOfSend: Pointer) {
    this.#compiled = compiled;
    this.#send = addressOfSend;
  }

  get isFull(): boolean {
    return this.size === mostPieces;
  }

  add(descriptor: number, bytes: Uint8Array, offset: number, length: number): void {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#address = ptr(bytes);
    }
    const index = this.size++;
    this.#sockets[index] = descriptor;
    this.#addresses[index] = this.#address + offset;
    this.#lengths[index] = length;
  }

  send(): void {
    this.#compiled.symbols.send_many(this.#send, this.#piecesAt, this.size, flags);
    this.size = 0;
    this.#bytes = undefined;
  }

  taken(index: number): number {
    return this.#lengths[index];
  }
}

/** Undefined where it can't be had. */
export function sendBatch(): SendBatch | undefined {
  const send = addressOfSend();
  const compiled = send === undefined ? undefined : compile();
  return send === undefined || compiled === undefined ? undefined : new CompiledSendBatch(compiled, send);
}
