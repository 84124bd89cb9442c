// How long an MPEG transport stream plays, by its program clock references (ISO/IEC 13818-1, 2.4.3.5), cheaply: one look at each packet
// that lies whole in a piece, where packets are aligned to the stream's first byte. Of other streams nothing is known.

const packetBytes = 188;
const ticksPerMs = 90;
/** References are at most 100 ms apart (2.7.2); where more lies between two, or less than none, the stream has begun anew. */
const longestStepMs = 5000;

export class ProgramClock {
  #pid = -1;
  #ticks = 0;
  #playedMs = 0;
  #isOther = false;

  /** Milliseconds between the references so far, of the first program that has any. */
  get playedMs(): number {
    return this.#playedMs;
  }

  /** The next bytes of the stream, from `offset` on. */
  feed(bytes: Uint8Array, offset: number): void {
    if (this.#isOther) return;
    const first = (packetBytes - (offset % packetBytes)) % packetBytes;
    for (let at = first; at + 12 <= bytes.length; at += packetBytes) {
      if (bytes[at] !== 0x47) {
        this.#isOther = true;
        return;
      }
      const hasReference = (bytes[at + 3] & 0x20) !== 0 && bytes[at + 4] >= 7 && (bytes[at + 5] & 0x10) !== 0;
      if (hasReference) this.#take(bytes, at);
    }
  }

  #take(bytes: Uint8Array, at: number): void {
    const pid = ((bytes[at + 1] & 0x1f) << 8) | bytes[at + 2];
    if (this.#pid >= 0 && pid !== this.#pid) return;
    // The base: 33 bits of 90 kHz.
    const ticks =
      bytes[at + 6] * 2 ** 25 +
      ((bytes[at + 7] << 17) | (bytes[at + 8] << 9) | (bytes[at + 9] << 1) | (bytes[at + 10] >> 7));
    const stepMs = (ticks - this.#ticks) / ticksPerMs;
    if (this.#pid >= 0 && stepMs > 0 && stepMs <= longestStepMs) this.#playedMs += stepMs;
    this.#pid = pid;
    this.#ticks = ticks;
  }
}
