// Formats of media that fstream has no detector for, by their first bytes: a stream of one is relayed as is, and nobody who joins in its
// middle can play it. What is no media at all (text, telemetry) is none of them. Pure.

interface Format {
  readonly name: string;
  /** Where in the stream `magic` lies. */
  readonly at: number;
  /** One character a byte. */
  readonly magic: string;
}

const formats: readonly Format[] = [
  { name: "AVI", at: 8, magic: "AVI " },
  { name: "ASF (WMV, WMA)", at: 0, magic: "\x30\x26\xb2\x75\x8e\x66\xcf\x11" },
  { name: "NUT", at: 0, magic: "nut/multimedia container" },
  { name: "MXF", at: 0, magic: "\x06\x0e\x2b\x34\x02\x05\x01\x01" },
  { name: "RealMedia", at: 0, magic: ".RMF" },
  { name: "AIFF", at: 8, magic: "AIF" },
  // Boxes that a file without `ftyp` begins with (QuickTime File Format, "Overview").
  ...["moov", "mdat", "wide", "free"].map((magic) => ({ name: "QuickTime", at: 4, magic })),
];

/** So many first bytes are enough. */
export const foreignFormatBytes = 32;

/** The format that a stream with these first bytes is in; undefined if none is recognised. */
export function foreignFormat(start: Uint8Array): string | undefined {
  const text = Buffer.from(start.subarray(0, foreignFormatBytes)).toString("latin1");
  return formats.find(({ at, magic }) => text.startsWith(magic, at))?.name;
}
