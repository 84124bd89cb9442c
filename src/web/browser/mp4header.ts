// The tracks of a fragmented MP4, from its initialization segment (ISO/IEC 14496-12: ftyp, moov): sample descriptions, and
// in them the configuration of each codec. Pure.

import { aacCodec, av1Codec, avcCodec, hevcCodec, type StreamHeader, type Track, vpCodec } from "./track.ts";

/** One box: its type, and its body within `bytes`. */
interface Box {
  readonly type: string;
  readonly body: Uint8Array;
}

/** A moov is no larger than that, bytes. */
const maxHeaderBytes = 8 * 1024 * 1024;

/**
 * Reads the header from the stream's first bytes. "more": it is not whole yet. Undefined: this is no MP4, or it has no
 * header that makes sense.
 */
export function readMp4Header(bytes: Uint8Array): StreamHeader | "more" | undefined {
  const view = viewOf(bytes);
  for (let at = 0; at + 8 <= bytes.length; ) {
    const size = view.getUint32(at);
    const type = typeOf(bytes, at + 4);
    if (size < 8 || size > maxHeaderBytes || !/^[\w ]{4}$/.test(type)) return undefined;
    if (type === "moof" || type === "mdat") return undefined;
    if (type === "moov") {
      if (at + size > bytes.length) return "more";
      return { tracks: tracksOf(bytes.subarray(at + 8, at + size)) };
    }
    at += size;
  }
  return bytes.length > maxHeaderBytes ? undefined : "more";
}

function tracksOf(moov: Uint8Array): Track[] {
  return boxes(moov)
    .filter(({ type }) => type === "trak")
    .map(({ body }) => child(body, "mdia", "minf", "stbl", "stsd"))
    .map((stsd) => (stsd === undefined ? undefined : boxes(stsd.subarray(8))[0]))
    .map((entry) => (entry === undefined ? undefined : trackOf(entry)))
    .filter((track) => track !== undefined);
}

/** The fields before the boxes of a sample entry, bytes (12.1.3, 12.2.3). */
const videoEntryBytes = 78;
const audioEntryBytes = 28;

function trackOf({ type, body }: Box): Track | undefined {
  const video = videoCodec(type, body.subarray(videoEntryBytes));
  if (video !== undefined && body.length >= videoEntryBytes) {
    const view = viewOf(body);
    return { kind: "video", codec: video, width: view.getUint16(24), height: view.getUint16(26) };
  }
  const audio = audioCodec(type, body.subarray(audioEntryBytes));
  return audio === undefined ? undefined : { kind: "audio", codec: audio };
}

function videoCodec(type: string, configuration: Uint8Array): string | undefined {
  const record = (name: string) => child(configuration, name) ?? new Uint8Array(0);
  switch (type) {
    case "avc1":
    case "avc3":
      return avcCodec(type, record("avcC"));
    case "hvc1":
    case "hev1":
      return hevcCodec(type, record("hvcC"));
    case "av01":
      return av1Codec(record("av1C"));
    case "vp08":
    case "vp09": {
      const vpcc = record("vpcC");
      return vpcc.length < 7 ? type : vpCodec(type, vpcc[4], vpcc[5], vpcc[6] >> 4);
    }
    case "mp4v":
    case "mjpg":
    case "jpeg":
      return type;
    default:
      return undefined;
  }
}

function audioCodec(type: string, configuration: Uint8Array): string | undefined {
  switch (type) {
    case "mp4a":
      return mpeg4Audio(child(configuration, "esds") ?? new Uint8Array(0));
    case "Opus":
      return "opus";
    case "fLaC":
      return "flac";
    case "ac-3":
    case "ec-3":
    case "alac":
    case "sowt":
    case "twos":
    case "ipcm":
    case "fpcm":
      return type;
    case ".mp3":
      return "mp3";
    default:
      return undefined;
  }
}

/** From an esds box: descriptors in each other (ISO/IEC 14496-1, 7.2.6), of which each has a tag and a length. */
function mpeg4Audio(esds: Uint8Array): string {
  let at = 4;
  while (at < esds.length) {
    const tag = esds[at++];
    let size = 0;
    let byte = 0x80;
    while ((byte & 0x80) !== 0 && at < esds.length) {
      byte = esds[at++];
      size = (size << 7) | (byte & 0x7f);
    }
    if (tag === 3) at += 3 + optionalBytes(esds, at + 2);
    else if (tag === 4) {
      const type = esds[at];
      if (type === 0x69 || type === 0x6b) return "mp3";
      if (type !== 0x40) return `mp4a.${(type ?? 0).toString(16)}`;
      at += 13;
    } else if (tag === 5) return aacCodec(esds.subarray(at, at + size));
    else at += size;
  }
  return "mp4a.40.2";
}

/** The fields of an ES_Descriptor that its flags announce. */
function optionalBytes(bytes: Uint8Array, at: number): number {
  const flags = bytes[at] ?? 0;
  const url = (flags & 0x40) === 0 ? 0 : 1 + (bytes[at + 1 + ((flags & 0x80) === 0 ? 0 : 2)] ?? 0);
  return ((flags & 0x80) === 0 ? 0 : 2) + url + ((flags & 0x20) === 0 ? 0 : 2);
}

/** The boxes of a container box, as far as they make sense. */
function boxes(bytes: Uint8Array): Box[] {
  const found: Box[] = [];
  const view = viewOf(bytes);
  for (let at = 0; at + 8 <= bytes.length; ) {
    const size = view.getUint32(at);
    if (size < 8 || at + size > bytes.length) break;
    found.push({ type: typeOf(bytes, at + 4), body: bytes.subarray(at + 8, at + size) });
    at += size;
  }
  return found;
}

function child(bytes: Uint8Array, ...path: readonly string[]): Uint8Array | undefined {
  let body: Uint8Array | undefined = bytes;
  for (const name of path) body = body && boxes(body).find(({ type }) => type === name)?.body;
  return body;
}

function typeOf(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
