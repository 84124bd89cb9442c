// Real streams, damaged by their structure: elements left out, repeated, moved, cut short, or with a byte changed.

import { Sniffer } from "../../src/media/sniffer.ts";
import { fixturesOf } from "../truth/manifest.ts";
import { type Family, fixture, number, type Part, pick, type Roll, size } from "./parts.ts";

const found = new Map<string, readonly Part[]>();

/** Where a detector says that a stream can be cut. */
function marks(bytes: Uint8Array): number[] {
  const at = new Set([0]);
  const sniffer = new Sniffer({
    header() {},
    join: (offset) => at.add(offset),
    unit: (offset) => at.add(offset),
  });
  sniffer.feed(bytes, 0);
  sniffer.finishDetection();
  return [...at];
}

/** A fixture as parts: one for each of its elements. */
function dissected(family: Family, name: string): readonly Part[] {
  const known = found.get(name);
  if (known !== undefined) return known;
  const bytes = fixture(name);
  const starts = [...new Set([0, ...(family.elements?.(bytes) ?? marks(bytes))])]
    .filter((at) => at < bytes.length)
    .sort((a, b) => a - b);
  const parts = starts.map(
    (from, i): Part => ({ is: "file", name, from, size: (starts[i + 1] ?? bytes.length) - from }),
  );
  found.set(name, parts);
  return parts;
}

function changed(part: Part, roll: Roll): Part[] {
  // One that was changed before is not known to have a size.
  const bytes = number(part, "size", 64);
  switch (roll(7)) {
    case 0:
      return [];
    case 1:
      return [{ ...part, times: size(roll, 2000) }];
    case 2:
      return [{ is: "cut", size: roll(bytes), of: [part] }];
    case 3:
      return [{ is: "flip", at: roll(Math.min(bytes, 64)), bit: roll(8), of: [part] }];
    case 4:
      return [
        {
          is: "set",
          at: roll(Math.min(bytes, 32)),
          value: pick(roll, [0, 1, 2 ** 32 - 1, roll(2 ** 16)]),
          size: 1 + roll(4),
          of: [part],
        },
      ];
    case 5:
      return [part, { is: "noise", size: size(roll, 3000), seed: roll(1e6) }];
    default:
      return [part, part];
  }
}

/** A real stream of `family` with a few changes. */
export function mutated(family: Family, roll: Roll): Part[] {
  const own = fixturesOf(family.name).map(({ file }) => file);
  let parts = [...dissected(family, pick(roll, own))];
  if (roll(3) === 0)
    parts = [...parts.slice(0, roll(parts.length)), ...dissected(family, pick(roll, own)).slice(roll(9))];
  for (let count = 1 + roll(8); count > 0 && parts.length > 0; count--) {
    const at = roll(roll(2) === 0 ? Math.min(parts.length, 12) : parts.length);
    parts.splice(at, 1, ...changed(parts[at], roll));
  }
  if (roll(3) !== 0) return parts;
  const from = roll(Math.max(1, parts.length));
  return [
    ...parts.slice(0, from),
    { is: "group", times: size(roll, 200), of: parts.slice(from, from + 1 + roll(40)) },
    ...parts.slice(from),
  ];
}
