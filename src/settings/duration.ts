// Durations as people write them: "20ms", "10s", "2m", "1h30m", plain numbers are seconds. Pure.

const units = [
  { name: "d", ms: 86_400_000 },
  { name: "h", ms: 3_600_000 },
  { name: "m", ms: 60_000 },
  { name: "s", ms: 1000 },
  { name: "ms", ms: 1 },
] as const;

const grammar = new RegExp(`^${units.map(({ name }) => `(?:(\\d+(?:\\.\\d+)?)${name})?`).join("")}$`);

/**
 * The milliseconds that `text` stands for, rounded to a whole one, or undefined if it is no duration. Each
 * unit stands at most once, the larger before the smaller.
 */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) return whole(Number(trimmed) * 1000);
  const found = grammar.exec(trimmed);
  if (trimmed === "" || found === null) return undefined;
  return whole(units.reduce((sum, unit, index) => sum + Number(found[index + 1] ?? 0) * unit.ms, 0));
}

function whole(ms: number): number | undefined {
  const rounded = Math.round(ms);
  return Number.isSafeInteger(rounded) ? rounded : undefined;
}

/** `ms` (a whole number of milliseconds) as `parseDuration` reads it: 5400000 is "1h30m", 0 is "0s". */
export function formatDuration(ms: number): string {
  let left = ms;
  let text = "";
  for (const unit of units) {
    const count = Math.floor(left / unit.ms);
    if (count > 0) text += `${count}${unit.name}`;
    left -= count * unit.ms;
  }
  return text === "" ? "0s" : text;
}
