// Whole files of each container, taken apart into their elements by the plainest reading of its standard: in memory, with no
// damage to be expected. It shares no code with src/media, so that what both say of a fixture is true for two reasons.

/** An element of a file; `kind` is a short name. Ends where the next one begins, or at `end`. */
export interface Element {
  readonly kind: string;
  readonly at: number;
  readonly end: number;
}

const be = (bytes: Uint8Array, at: number, size: number) => {
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
};
const le = (bytes: Uint8Array, at: number, size: number) =>
  be(bytes.slice(at, at + size).toReversed(), 0, size);
const letters = (bytes: Uint8Array, at: number, size: number) =>
  String.fromCharCode(...bytes.subarray(at, at + size));

/** FLV 10.1, annex E: the head, then tags, each with the size that follows it. */
function* flv(bytes: Uint8Array): Generator<Element> {
  let at = 0;
  while (at < bytes.length) {
    if (letters(bytes, at, 3) === "FLV") {
      yield { kind: "head", at, end: at + 13 };
      at += 13;
      continue;
    }
    const end = at + 11 + be(bytes, at + 1, 3) + 4;
    const [first, second] = bytes.subarray(at + 11, at + 13);
    let kind = "metadata";
    if (bytes[at] === 9) kind = (first & 15) === 7 && second === 0 ? "video configuration" : "video";
    if (bytes[at] === 8) kind = first >> 4 === 10 && second === 0 ? "audio configuration" : "audio";
    yield { kind, at, end };
    at = end;
  }
}

/** ISO/IEC 14496-12, 4.2: boxes, named by their types. */
function* mp4(bytes: Uint8Array): Generator<Element> {
  for (let at = 0; at < bytes.length; ) {
    const size = be(bytes, at, 4) || bytes.length - at;
    yield { kind: letters(bytes, at + 4, 4), at, end: at + size };
    at += size;
  }
}

const matroskaKinds = new Map([
  [0x1a45_dfa3, "ebml"],
  [0x1853_8067, "segment"],
  [0x1549_a966, "info"],
  [0x1654_ae6b, "tracks"],
  [0x1f43_b675, "cluster"],
  [0xa3, "block"],
  [0xa0, "block"],
  [0xe7, "timestamp"],
  [0xa7, "inner"],
  [0xab, "inner"],
  [0xbf, "inner"],
]);

/** RFC 8794 and 9559: elements, a Segment or Cluster (which may be of unknown size) followed by what is in it. */
function* matroska(bytes: Uint8Array): Generator<Element> {
  for (let at = 0; at < bytes.length; ) {
    const idBytes = Math.clz32(bytes[at]) - 23;
    const sizeBytes = Math.clz32(bytes[at + idBytes]) - 23;
    const body = at + idBytes + sizeBytes;
    const digits = bytes.slice(at + idBytes, body);
    digits[0] &= 0xff >> sizeBytes;
    const isUnknown = digits[0] === 0xff >> sizeBytes && digits.subarray(1).every((digit) => digit === 0xff);
    const size = be(digits, 0, sizeBytes);
    const kind = matroskaKinds.get(be(bytes, at, idBytes)) ?? "other";
    const end = isUnknown ? Number.POSITIVE_INFINITY : body + size;
    yield { kind, at, end };
    at = kind === "segment" || kind === "cluster" ? body : end;
  }
}

/** RFC 3533, section 6: pages. "open": the last packet goes on in the stream's next page. */
function* ogg(bytes: Uint8Array): Generator<Element> {
  for (let at = 0; at < bytes.length; ) {
    const lacing = bytes.subarray(at + 27, at + 27 + bytes[at + 26]);
    const end = at + 27 + lacing.length + lacing.reduce((sum, size) => sum + size, 0);
    const isOpen = lacing.at(-1) === 255;
    yield { kind: `${isOpen ? "open" : "page"} ${be(bytes, at + 14, 4)}`, at, end };
    at = end;
  }
}

/** ISO/IEC 13818-1, 2.4.3.2: packets, named by PID; "start" where a PES packet or a section begins. */
function* mpegts(bytes: Uint8Array): Generator<Element> {
  for (let at = 0; at < bytes.length; at += 188) {
    const pid = be(bytes, at + 1, 2) & 0x1fff;
    yield { kind: `${pid}${(bytes[at + 1] & 0x40) === 0 ? "" : " start"}`, at, end: at + 188 };
  }
}

/** Annex B: units, named by type; the start code of four bytes if there is a zero more. */
function* annexb(bytes: Uint8Array, type: (header: number) => number): Generator<Element> {
  const starts: number[] = [];
  for (let at = 0; at + 3 < bytes.length; at++) {
    if (bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 1)
      starts.push(bytes[at - 1] === 0 ? at - 1 : at);
  }
  for (const [i, at] of starts.entries()) {
    const header = bytes.indexOf(1, at) + 1;
    yield { kind: String(type(bytes[header])), at, end: starts[i + 1] ?? bytes.length };
  }
}

/** IVF: a header of 32 bytes, and 12 before each frame. */
function* ivf(bytes: Uint8Array): Generator<Element> {
  yield { kind: "head", at: 0, end: 32 };
  for (let at = 32; at < bytes.length; ) {
    const end = at + 12 + le(bytes, at, 4);
    yield { kind: "frame", at, end };
    at = end;
  }
}

/** RIFF: chunks; what is behind "data" is data. */
function* wav(bytes: Uint8Array): Generator<Element> {
  yield { kind: "riff", at: 0, end: 12 };
  for (let at = 12; at < bytes.length; ) {
    const kind = letters(bytes, at, 4);
    const size = le(bytes, at + 4, 4);
    const end = kind === "data" ? bytes.length : at + 8 + size + (size & 1);
    yield { kind, at, end };
    at = end;
  }
}

/** JPEG (ITU-T T.81, B.1): images from SOI to EOI. */
function* mjpeg(bytes: Uint8Array): Generator<Element> {
  for (let at = 0; at < bytes.length; ) {
    let end = at + 2;
    while (end < bytes.length && be(bytes, end - 2, 2) !== 0xffd9) end++;
    yield { kind: "image", at, end };
    at = end;
  }
}

/** All elements of a file of `container`, in order; none for a container that is nothing but frames. */
export function walk(container: string, bytes: Uint8Array): Element[] {
  switch (container) {
    case "flv":
      return [...flv(bytes)];
    case "fmp4":
      return [...mp4(bytes)];
    case "matroska":
      return [...matroska(bytes)];
    case "ogg":
      return [...ogg(bytes)];
    case "mpegts":
      return [...mpegts(bytes)];
    case "h264":
      return [...annexb(bytes, (header) => header & 31)];
    case "hevc":
      return [...annexb(bytes, (header) => (header >> 1) & 63)];
    case "ivf":
      return [...ivf(bytes)];
    case "wav":
      return [...wav(bytes)];
    case "mjpeg":
      return [...mjpeg(bytes)];
    default:
      return [];
  }
}
