// Numbers and names as people read them. Pure.

/** Bits a second: `2.4 Mbit/s`. */
export function bitRate(bits: number): string {
  return `${amount(bits)}bit/s`;
}

/** Bytes: `22.9 MB`. */
export function byteCount(bytes: number): string {
  return `${amount(bytes)}B`;
}

function amount(value: number): string {
  const units = [" ", " k", " M", " G", " T"];
  let unit = 0;
  let rest = value;
  while (rest >= 999.5 && unit < units.length - 1) {
    rest /= 1000;
    unit++;
  }
  return `${unit > 0 && rest < 9.95 ? rest.toFixed(1) : Math.round(rest)}${units[unit]}`;
}

/** Seconds as a clock has them: `0:07`, `1:02:03`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, "0"));
  return whole < 3600 ? `${Number(parts[0])}:${parts[1]}` : `${Math.floor(whole / 3600)}:${parts.join(":")}`;
}

/** How long a broadcast has been on: `Just started` below a minute, `Live for 5 min`, `Live for 3 h`, `Live for 2 d`. */
export function age(seconds: number): string {
  if (seconds < 60) return "Just started";
  if (seconds < 3600) return `Live for ${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `Live for ${Math.floor(seconds / 3600)} h`;
  return `Live for ${Math.floor(seconds / 86_400)} d`;
}

/** `1 watcher`, `2 watchers`. */
export function count(number: number, what: string): string {
  return `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;
}

const containerNames: Readonly<Record<string, string>> = {
  mpegts: "MPEG-TS",
  flv: "FLV",
  fmp4: "MP4",
  matroska: "Matroska",
  webm: "WebM",
  ogg: "Ogg",
  adts: "AAC",
  mp3: "MP3",
  ac3: "AC-3",
  flac: "FLAC",
  wav: "WAV",
  h264: "raw H.264",
  hevc: "raw HEVC",
  ivf: "IVF",
  mjpeg: "MJPEG",
  y4m: "YUV4MPEG2",
};

/** A container as it is written; an unknown one is just data. */
export function containerName(container: string): string {
  return containerNames[container] ?? (container === "" ? "data" : container);
}

const codecNames: readonly (readonly [RegExp, string])[] = [
  [/^(h264|avc[13])/, "H.264"],
  [/^(hevc|hvc1|hev1)/, "HEVC"],
  [/^av(1$|01)/, "AV1"],
  [/^vp0?9/, "VP9"],
  [/^vp0?8/, "VP8"],
  [/^(aac|mp4a\.40)/, "AAC"],
  [/^opus/i, "Opus"],
  [/^vorbis/, "Vorbis"],
  [/^flac/i, "FLAC"],
  [/^mp3/, "MP3"],
  [/^mp2$/, "MP2"],
  [/^(ac-?3)$/, "AC-3"],
  [/^(eac3|ec-3)$/, "E-AC-3"],
  [/^mpeg2video/, "MPEG-2"],
  [/^theora/, "Theora"],
  [/^mjpeg/, "MJPEG"],
  [/^pcm/, "PCM"],
];

/** A codec by its name of ffmpeg's or its codec string, as it is written. */
export function codecName(codec: string): string {
  return codecNames.find(([pattern]) => pattern.test(codec))?.[1] ?? codec;
}

const soundCodec = /^(aac|mp4a|opus|vorbis|flac|mp3|mp2|e?ac-?3|ec-3|pcm|alac|speex)/i;

/** Whether a codec is one of sound. */
export function isSound(codec: string): boolean {
  return soundCodec.test(codec);
}

/** The browser, as its user agent string tells it: what a person calls it. */
export function browserName(userAgent: string): string {
  const names = [
    [/\bEdg\//, "Edge"],
    [/\bOPR\//, "Opera"],
    [/\bFirefox\/|\bFxiOS\//, "Firefox"],
    [/Chrome\/|\bCriOS\//, "Chrome"],
    [/\bSafari\//, "Safari"],
  ] as const;
  return names.find(([pattern]) => pattern.test(userAgent))?.[1] ?? "this browser";
}

/** A word for a POSIX shell. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
