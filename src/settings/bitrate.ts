// Bit rates as people write them: "5M", "800k", "2.5Mbit/s", plain numbers are bits a second. Prefixes are powers of 1000, as in
// ffmpeg's -b:v. Pure; whole bits only.

const prefixes: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, g: 1e9 };

/** The bits a second that `text` stands for, or undefined if it is no bit rate (of bytes, "5MB/s", it is none either). */
export function parseBitrate(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?) ?([kmg]?)(?:bits?\/s|bits?|bps|b\/s)?$/i.exec(text.trim());
  if (found === null || /B\/s/.test(text)) return undefined;
  const bits = Math.round(Number(found[1]) * prefixes[found[2].toLowerCase()] * 1e3) / 1e3;
  return Number.isSafeInteger(bits) ? bits : undefined;
}

/** `bits` a second with the largest prefix that leaves a whole number: 5000000 is "5M". */
export function formatBitrate(bits: number): string {
  const prefix = ["g", "m", "k"].find((one) => bits >= prefixes[one] && bits % prefixes[one] === 0);
  if (prefix === undefined) return String(bits);
  return `${bits / prefixes[prefix]}${prefix === "k" ? prefix : prefix.toUpperCase()}`;
}
