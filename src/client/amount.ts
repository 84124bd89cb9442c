// Amounts of bytes and time as the status line shows them. Pure.

const prefixes = ["", "k", "M", "G", "T", "P"];

/** Bytes in decimal units with three digits or so: "0 B", "999 B", "1.00 kB", "41.3 MB". */
export function formatBytes(bytes: number): string {
  return scaled(bytes, "B");
}

/** Bits a second in the same way: "4.12 Mbit/s". */
export function formatBitrate(bitsPerSecond: number): string {
  return scaled(bitsPerSecond, "bit/s");
}

function scaled(amount: number, unit: string): string {
  let value = amount;
  let power = 0;
  while (value >= 999.5 && power < prefixes.length - 1) {
    value /= 1000;
    power++;
  }
  const digits = power === 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${prefixes[power]}${unit}`;
}

/** Milliseconds as "0:00:00" (hours, minutes, seconds). */
export function formatClock(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}
