// Parameter sets as a stream repeats and changes them (ITU-T H.264, 7.4.1.2.1; H.265, 7.4.2.4.2), for decoders that start late.

import { concat } from "../bytes.ts";

/** Parameter sets that are kept at a time, and their bytes: several times what encoders have. */
const maxSets = 64;
const maxSetBytes = 64 * 1024;

/** Parameter sets by kind and id; as Annex B bytes, in the order of their kinds. */
export class ParameterSets {
  readonly #sets = new Map<number, Uint8Array>();
  /** How many there are of each kind. */
  readonly #counts = new Uint8Array(16);
  #bytes = 0;
  #joined: Uint8Array | undefined = nothing;

  /**
   * Keeps a set (kind 0 to 15, id 0 to 255) in place of an older one of its kind and id; true if that changed
   * anything. One too many is not kept.
   */
  keep(kind: number, id: number, bytes: Uint8Array, length: number): boolean {
    const key = kind * 256 + id;
    const old = this.#sets.get(key);
    if (old !== undefined && old.length === length + 4 && startsWith(old, 4, bytes, length)) return false;
    const size = this.#bytes - (old?.length ?? 0) + length + 4;
    if (size > maxSetBytes || (old === undefined && this.#sets.size === maxSets)) {
      this.drop(kind, id);
      return old !== undefined;
    }
    const copy = new Uint8Array(length + 4);
    copy[3] = 1;
    copy.set(bytes.subarray(0, length), 4);
    this.#sets.set(key, copy);
    if (old === undefined) this.#counts[kind]++;
    this.#bytes = size;
    this.#joined = undefined;
    return true;
  }

  /** Drops a set, if there is one. */
  drop(kind: number, id: number): void {
    const old = this.#sets.get(kind * 256 + id);
    if (old === undefined) return;
    this.#sets.delete(kind * 256 + id);
    this.#counts[kind]--;
    this.#bytes -= old.length;
    this.#joined = undefined;
  }

  /** Bytes of all sets, each with its start code. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the set of this kind and id is kept. */
  hasOne(kind: number, id: number): boolean {
    return this.#sets.has(kind * 256 + id);
  }

  /** Bytes that `joined` will have to join. */
  get unjoinedBytes(): number {
    return this.#joined === undefined ? this.#bytes : 0;
  }

  /** Whether there is a set of this kind. */
  has(kind: number): boolean {
    return this.#counts[kind] > 0;
  }

  /** All sets, each with its start code; the same array as long as they are the same. */
  joined(): Uint8Array {
    this.#joined ??= concat([...this.#sets].sort(([a], [b]) => a - b).map(([, set]) => set));
    return this.#joined;
  }
}

const nothing = new Uint8Array(0);

function startsWith(bytes: Uint8Array, from: number, wanted: Uint8Array, length: number): boolean {
  for (let index = 0; index < length; index++) if (bytes[from + index] !== wanted[index]) return false;
  return true;
}
