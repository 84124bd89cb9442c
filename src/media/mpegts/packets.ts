// Packets of a transport stream (ISO/IEC 13818-1, 2.4.3.2): 188 bytes that begin with 47. Finds them in
// bytes that come in pieces, and again after damage; and what a packet's header says of its payload.

/** Bytes of a packet. */
export const packetBytes = 188;
const syncByte = 0x47;
/** Packets in a row that make alignment. */
export const alignedPackets = 5;
/** Bytes without alignment after which there is no more looking for it. */
const maxUnaligned = 1024 * 1024;

/** Receives the packets that a `PacketReader` finds. */
export interface PacketSink {
  /** A packet begins at `bytes[at]`; its absolute offset. The buffer is not to be kept. */
  packet(bytes: Uint8Array, at: number, offset: number): void;
  /** Bytes in between were no packets. */
  damaged(): void;
}

/** Cuts a stream into packets, without copying any that is in one piece. */
export class PacketReader {
  /** True once `maxUnaligned` bytes were no packets. */
  lost = false;
  readonly #sink: PacketSink;
  /** The packet at hand if it came in pieces; while hunting, the bytes that may be `alignedPackets` packets. */
  readonly #carry = new Uint8Array(alignedPackets * packetBytes);
  #carried = 0;
  #carryOffset = 0;
  /** Whether alignment is still to be found; so it is at the start. */
  #hunting = true;
  #hunted = 0;

  constructor(sink: PacketSink) {
    this.#sink = sink;
  }

  /** Bytes that the packet at hand still lacks. */
  get missing(): number {
    return this.#hunting || this.#carried === 0 ? 0 : packetBytes - this.#carried;
  }

  /** Takes the next bytes; `offset` is the absolute offset of the first. */
  feed(bytes: Uint8Array, offset: number): void {
    let at = 0;
    while (at < bytes.length && !this.lost)
      at =
        this.#hunting || this.#carried > 0 ? this.#refill(bytes, at, offset) : this.#run(bytes, at, offset);
  }

  /** Takes whole packets straight out of `bytes`, and carries the rest over. */
  #run(bytes: Uint8Array, from: number, offset: number): number {
    let at = from;
    for (; at + packetBytes <= bytes.length; at += packetBytes) {
      if (bytes[at] !== syncByte) {
        this.#misaligned();
        return at;
      }
      this.#sink.packet(bytes, at, offset + at);
    }
    return at < bytes.length ? this.#refill(bytes, at, offset) : at;
  }

  /** Adds to the carried bytes, and takes packets out of them once there are enough. */
  #refill(bytes: Uint8Array, from: number, offset: number): number {
    if (this.#carried === 0) this.#carryOffset = offset + from;
    const wanted = (this.#hunting ? alignedPackets : 1) * packetBytes;
    const count = Math.min(wanted - this.#carried, bytes.length - from);
    this.#carry.set(bytes.subarray(from, from + count), this.#carried);
    this.#carried += count;
    if (this.#carried < wanted) return from + count;
    if (this.#hunting) this.#hunt();
    else if (this.#carry[0] === syncByte) {
      this.#carried = 0;
      this.#sink.packet(this.#carry, 0, this.#carryOffset);
    } else this.#misaligned();
    return from + count;
  }

  #misaligned(): void {
    this.#hunting = true;
    this.#hunted = 0;
    this.#sink.damaged();
  }

  #hunt(): void {
    let aligned = true;
    for (let at = 0; at < this.#carried; at += packetBytes) aligned &&= this.#carry[at] === syncByte;
    if (aligned) {
      this.#hunting = false;
      this.#carried = 0;
      for (let at = 0; at < this.#carry.length; at += packetBytes)
        this.#sink.packet(this.#carry, at, this.#carryOffset + at);
      return;
    }
    const next = this.#carry.indexOf(syncByte, 1);
    const dropped = next < 0 ? this.#carried : next;
    this.#carry.copyWithin(0, dropped);
    this.#carried -= dropped;
    this.#carryOffset += dropped;
    this.#hunted += dropped;
    this.lost = this.#hunted > maxUnaligned;
  }
}

/** Where packets begin within the first 188 bytes such that all of `bytes` is packets; -1 if nowhere. */
export function alignment(bytes: Uint8Array): number {
  for (let first = 0; first < packetBytes; first++) {
    let at = first;
    // No transport error, and an adaptation field control other than the reserved 0.
    while (
      at + 4 <= bytes.length &&
      bytes[at] === syncByte &&
      bytes[at + 1] < 0x80 &&
      (bytes[at + 3] & 0x30) !== 0
    )
      at += packetBytes;
    if (at + 4 > bytes.length) return first;
  }
  return -1;
}

/** The index of a packet's payload, behind its adaptation field; the packet's end or more if it has none. */
export function payloadStart(bytes: Uint8Array, at: number): number {
  const control = bytes[at + 3] & 0x30;
  if (control === 0x10) return at + 4;
  return control === 0x30 ? at + 5 + bytes[at + 4] : at + packetBytes;
}

/**
 * Whether a packet's adaptation field has stuffing behind its fields (2.4.3.5): so ends a PES packet of unknown
 * length, but for one of 184 that needs none.
 */
export function isStuffed(bytes: Uint8Array, at: number): boolean {
  if ((bytes[at + 3] & 0x20) === 0) return false;
  const length = bytes[at + 4];
  if (length === 0) return true;
  const flags = bytes[at + 5];
  let fields = 1 + (flags & 0x10 ? 6 : 0) + (flags & 0x08 ? 6 : 0) + (flags & 0x04 ? 1 : 0);
  if (flags & 0x02) fields += 1 + bytes[at + 5 + fields];
  if (flags & 0x01) fields += 1 + bytes[at + 5 + fields];
  return fields < length;
}
