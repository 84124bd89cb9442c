// The bits inside a NAL unit (ITU-T H.264 and H.265, 7.3.1, 7.4.1: emulation prevention; 9.1, 9.2: Exp-Golomb).
//
// Up to 32 bits are read ahead into a word, the next bit on top, so that most numbers cost a shift and no loop. Past the
// end zeros are read ahead: `over` tells when one of them was asked for.

/** Bits that are there after a fill, and so the most that are taken at once. */
const maxTaken = 25;

/** Reads the bits of one NAL unit, emulation prevention bytes left out. Past the end: zeros, and `over`. */
export class Bits {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #next: number;
  /** The next bits, the first on top, and how many there are. */
  #word = 0;
  #left = 0;
  /** How many bits past the end were read ahead. */
  #padding = 0;
  #zeros = 0;

  /** The bits of `bytes` from byte `from` up to `end`, which must be inside one unit. */
  constructor(bytes: Uint8Array, from: number, end: number) {
    this.#bytes = bytes;
    this.#next = from;
    this.#end = end;
  }

  /** Whether more was asked for than there is. */
  get over(): boolean {
    return this.#left < this.#padding;
  }

  /** What was read makes no sense: as if the end were passed. */
  fail(): void {
    this.#padding = 2 ** 30;
  }

  /** One bit. */
  bit(): number {
    if (this.#left === 0) this.#fill();
    const value = this.#word >>> 31;
    this.#word <<= 1;
    this.#left--;
    return value;
  }

  /** `count` bits (0 to 32) as an unsigned number. */
  u(count: number): number {
    if (count === 0) return 0;
    if (count > maxTaken) return this.u(count - 16) * 65_536 + this.u(16);
    if (this.#left < count) this.#fill();
    const value = this.#word >>> (32 - count);
    this.#word <<= count;
    this.#left -= count;
    return value;
  }

  /** Passes over `count` bits. */
  skip(count: number): void {
    for (let rest = count; rest > 0 && !this.over; rest -= maxTaken) this.u(Math.min(rest, maxTaken));
  }

  /** ue(v), an unsigned Exp-Golomb number; one of more than 32 leading zeros counts as past the end. */
  ue(): number {
    if (this.#left < maxTaken) this.#fill();
    const zeros = Math.clz32(this.#word);
    const length = 2 * zeros + 1;
    if (length > maxTaken) return this.#longUe();
    const value = (this.#word >>> (32 - length)) - 1;
    this.#word <<= length;
    this.#left -= length;
    return value;
  }

  /** se(v), a signed Exp-Golomb number. */
  se(): number {
    const value = this.ue();
    return value % 2 === 1 ? (value + 1) / 2 : 0 - value / 2;
  }

  #longUe(): number {
    let zeros = 0;
    if (this.#word === 0 && this.#next >= this.#end) this.fail();
    if (this.over) return 0;
    while (this.bit() === 0)
      if (++zeros > 32) {
        this.fail();
        return 0;
      }
    return 2 ** zeros - 1 + this.u(zeros);
  }

  /** Reads ahead until there are at least `maxTaken` bits. */
  #fill(): void {
    do {
      if (this.#zeros === 2 && this.#next < this.#end && this.#bytes[this.#next] === 3) {
        this.#next++;
        this.#zeros = 0;
      }
      if (this.#next < this.#end) {
        const byte = this.#bytes[this.#next++];
        this.#zeros = byte !== 0 ? 0 : this.#zeros === 2 ? 2 : this.#zeros + 1;
        this.#word |= byte << (24 - this.#left);
      } else this.#padding += 8;
      this.#left += 8;
    } while (this.#left < maxTaken);
  }
}
