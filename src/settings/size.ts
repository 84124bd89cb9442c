// Sizes as people write them: "16MiB" (powers of 1024), "16MB" (powers of 1000), plain numbers are bytes.
// IEC 80000-13 for the binary prefixes. Pure; whole bytes only.

const unitBytes: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/**
 * The bytes that `text` stands for, or undefined if it is no size. Fractions are fine ("1.5MiB") as long as
 * they come out at whole bytes; units are read whatever their case, since no two differ in it alone.
 */
export function parseSize(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text.trim());
  if (found === null) return undefined;
  const wanted = found[2].toLowerCase();
  const unit = Object.keys(unitBytes).find((name) => name.toLowerCase() === wanted);
  if (unit === undefined) return undefined;
  const bytes = Number(found[1]) * unitBytes[unit];
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** `bytes` in the largest binary unit that leaves a whole number: 16777216 is "16MiB", 1500 is "1500B". */
export function formatSize(bytes: number): string {
  const unit = (["TiB", "GiB", "MiB", "KiB"] as const).find(
    (name) => bytes >= unitBytes[name] && bytes % unitBytes[name] === 0,
  );
  return unit === undefined ? `${bytes}B` : `${bytes / unitBytes[unit]}${unit}`;
}
