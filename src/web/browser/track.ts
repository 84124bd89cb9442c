// What a stream consists of, as its header says it: the tracks, each with the codec string by which a browser is asked
// whether it can play it (RFC 6381). Pure.

/** One track. */
export interface Track {
  readonly kind: "video" | "audio";
  /** As in `codecs=` of a media type; a codec that has no such string keeps the container's name for it. */
  readonly codec: string;
  /** Pixels, of video. */
  readonly width?: number;
  readonly height?: number;
}

/** The video and audio tracks of a stream whose header is whole, in the order of the header. */
export interface StreamHeader {
  readonly tracks: readonly Track[];
}

/** `avc1.PPCCLL` from an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1). */
export function avcCodec(entry: string, record: Uint8Array): string {
  return record.length < 4 ? entry : `${entry}.${hex(record[1])}${hex(record[2])}${hex(record[3])}`;
}

/** `hvc1.1.6.L93.B0` from an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, annex E.3). */
export function hevcCodec(entry: string, record: Uint8Array): string {
  if (record.length < 13) return entry;
  const space = ["", "A", "B", "C"][record[1] >> 6];
  const tier = (record[1] & 0x20) === 0 ? "L" : "H";
  let compatibility = 0;
  for (let bit = 0; bit < 32; bit++) {
    if ((record[2 + (bit >> 3)] >> (7 - (bit & 7))) & 1) compatibility += 2 ** bit;
  }
  const constraints = [...record.subarray(6, 12)];
  while (constraints.length > 0 && constraints.at(-1) === 0) constraints.pop();
  const profile = `${space}${record[1] & 0x1f}`;
  const parts = [profile, compatibility.toString(16), `${tier}${record[12]}`];
  const all = [...parts, ...constraints.map((byte) => byte.toString(16))].join(".");
  return `${entry}.${all.toUpperCase()}`;
}

/** `av01.0.04M.08` from an AV1CodecConfigurationRecord (AV1 in ISOBMFF, section 5). */
export function av1Codec(record: Uint8Array): string {
  if (record.length < 4) return "av01.0.04M.08";
  const profile = record[1] >> 5;
  const level = record[1] & 0x1f;
  const tier = (record[2] & 0x80) === 0 ? "M" : "H";
  const isDeep = (record[2] & 0x40) !== 0;
  const depth = !isDeep ? 8 : profile === 2 && (record[2] & 0x20) !== 0 ? 12 : 10;
  return `av01.${profile}.${decimal(level)}${tier}.${decimal(depth)}`;
}

/** `vp09.00.10.08`: profile, level, bit depth (VP Codec ISO Media File Format Binding). */
export function vpCodec(entry: string, profile: number, level: number, depth: number): string {
  return `${entry}.${decimal(profile)}.${decimal(level)}.${decimal(depth)}`;
}

/** `mp4a.40.2` from an AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1). */
export function aacCodec(config: Uint8Array): string {
  if (config.length < 2) return "mp4a.40.2";
  const type = config[0] >> 3;
  return `mp4a.40.${type === 31 ? 32 + (((config[0] & 7) << 3) | (config[1] >> 5)) : type}`;
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

function decimal(number: number): string {
  return String(number).padStart(2, "0");
}
