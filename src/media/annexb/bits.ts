// The bits inside a NAL unit (ITU-T H.264 and H.265, 7.3.1, 7.4.1: emulation prevention; 9.1, 9.2: Exp-Golomb).

/** Reads the bits of one NAL unit, emulation prevention bytes left out. Past the end: zeros, and `over`. */
export class Bits {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #next: number;
  #current = 0;
  #left = 0;
  #zeros = 0;
  /** Whether more was asked for than there is. */
  over = false;

  /** The bits of `bytes` from byte `from` up to `end`, which must be inside one unit. */
  constructor(bytes: Uint8Array, from: number, end: number) {
    this.#bytes = bytes;
    this.#next = from;
    this.#end = end;
  }

  /** One bit. */
  bit(): number {
    if (this.#left === 0) this.#load();
    this.#left--;
    return (this.#current >> this.#left) & 1;
  }

  /** `count` bits (0 to 32) as an unsigned number. */
  u(count: number): number {
    let value = 0;
    for (let rest = count; rest > 0; ) {
      if (this.#left === 0) this.#load();
      const taken = Math.min(rest, this.#left);
      this.#left -= taken;
      rest -= taken;
      value = (value << taken) | ((this.#current >> this.#left) & ((1 << taken) - 1));
    }
    return value >>> 0;
  }

  /** Passes over `count` bits. */
  skip(count: number): void {
    let rest = count;
    while (rest > 0 && !this.over) {
      if (this.#left === 0) this.#load();
      const passed = Math.min(rest, this.#left);
      this.#left -= passed;
      rest -= passed;
    }
  }

  /** ue(v), an unsigned Exp-Golomb number; one of more than 32 leading zeros counts as past the end. */
  ue(): number {
    let zeros = 0;
    for (;;) {
      if (this.#left === 0) this.#load();
      const rest = this.#current & ((1 << this.#left) - 1);
      // Zeros before the first one among the bits that are left of this byte.
      const before = this.#left - 32 + Math.clz32(rest);
      zeros += before;
      this.#left -= before;
      if (zeros > 32 || this.over) {
        this.over = true;
        return 0;
      }
      if (rest === 0) continue;
      this.#left--;
      if (zeros === 0) return 0;
      return (zeros < 31 ? 1 << zeros : 2 ** zeros) - 1 + this.u(zeros);
    }
  }

  /** se(v), a signed Exp-Golomb number. */
  se(): number {
    const value = this.ue();
    return value % 2 === 1 ? (value + 1) / 2 : 0 - value / 2;
  }

  #load(): void {
    if (this.#zeros >= 2 && this.#next < this.#end && this.#bytes[this.#next] === 3) {
      this.#next++;
      this.#zeros = 0;
    }
    this.#left = 8;
    if (this.#next >= this.#end) {
      this.over = true;
      this.#current = 0;
      return;
    }
    this.#current = this.#bytes[this.#next++];
    this.#zeros = this.#current === 0 ? this.#zeros + 1 : 0;
  }
}
