// Real streams with their bytes changed, whatever these mean: flipped, set to numbers at the edge of something, left out,
// repeated, moved, cut off, put together from two fixtures. A stream remains a list of parts (pieces of fixtures, and bytes
// as hex), so that a finding is made smaller and kept as others are.

import { fixtures, fixturesOf } from "../truth/manifest.ts";
import { fixture, type Part, pick, type Roll, size } from "./parts.ts";

/** A stretch of a fixture, or bytes of its own. */
type Stretch =
  | { readonly name: string; readonly from: number; readonly size: number }
  | { readonly hex: string };

const lengthOf = (stretch: Stretch) => ("hex" in stretch ? stretch.hex.length / 2 : stretch.size);
const totalOf = (stretches: readonly Stretch[]) => stretches.reduce((sum, each) => sum + lengthOf(each), 0);

function whole(name: string): Stretch[] {
  return [{ name, from: 0, size: fixture(name).length }];
}

/** The bytes from `from` up to `to`. */
function cutOut(stretches: readonly Stretch[], from: number, to: number): Stretch[] {
  const result: Stretch[] = [];
  let at = 0;
  for (const stretch of stretches) {
    const length = lengthOf(stretch);
    const [begin, end] = [Math.max(from - at, 0), Math.min(to - at, length)];
    if (begin < end) {
      if ("hex" in stretch) result.push({ hex: stretch.hex.slice(2 * begin, 2 * end) });
      else result.push({ ...stretch, from: stretch.from + begin, size: end - begin });
    }
    at += length;
  }
  return result;
}

/** The bytes themselves. */
function read(stretches: readonly Stretch[]): Uint8Array {
  const parts = stretches.map((stretch) =>
    "hex" in stretch
      ? Uint8Array.fromHex(stretch.hex)
      : fixture(stretch.name).subarray(stretch.from, stretch.from + stretch.size),
  );
  return new Uint8Array(Buffer.concat(parts));
}

/** Numbers at the edge of something, of one to eight bytes. */
const edges = [
  "00",
  "01",
  "7f",
  "80",
  "ff",
  "0000",
  "7fff",
  "8000",
  "ffff",
  "000001",
  "00000000",
  "00000001",
  "00000008",
  "7fffffff",
  "80000000",
  "ffffffff",
  "01ffffffffffffff",
  "0000000100000000",
  "ffffffffffffffff",
];

/** One change behind the first `from` bytes: near to them, or anywhere. */
function change(stretches: readonly Stretch[], from: number, container: string, roll: Roll): Stretch[] {
  const total = totalOf(stretches);
  const room = Math.max(1, total - from);
  const at = Math.min(total - 1, from + roll(roll(3) === 0 ? Math.min(room, 2048) : room));
  const end = Math.min(total, at + size(roll, 4096));
  const before = cutOut(stretches, 0, at);
  const middle = cutOut(stretches, at, end);
  const after = cutOut(stretches, end, total);
  switch (roll(9)) {
    case 0: {
      const byte = read(cutOut(stretches, at, at + 1))[0] ^ (1 << roll(8));
      return [...before, { hex: Uint8Array.of(byte).toHex() }, ...cutOut(stretches, at + 1, total)];
    }
    case 1:
    case 2: {
      const hex = pick(roll, edges);
      return [...before, { hex }, ...cutOut(stretches, at + hex.length / 2, total)];
    }
    case 3:
      return [...before, ...after];
    case 4:
      return [...before, ...middle, ...middle, ...after];
    case 5: {
      const other = roll(after.length === 0 ? 1 : totalOf(after));
      return [...before, ...cutOut(after, 0, other), ...middle, ...cutOut(after, other, totalOf(after))];
    }
    case 6:
      return [
        ...before,
        { hex: Uint8Array.from({ length: 1 + roll(64) }, () => roll(256)).toHex() },
        ...after,
      ];
    case 7: {
      // the rest of another stream, mostly of the same container
      const others = roll(4) === 0 ? fixtures : fixturesOf(container);
      const { file } = pick(roll, others);
      const { length } = fixture(file);
      return [...before, ...cutOut(whole(file), roll(length), length)];
    }
    default:
      return roll(4) === 0 ? before : [...before, { hex: "00".repeat(1 + roll(16)) }, ...after];
  }
}

/** A stream of `container` that never has fewer than some bytes left, with up to a dozen changes. */
export function changedBytes(container: string, roll: Roll): Part[] {
  const { file, joins } = pick(roll, fixturesOf(container));
  // mostly it keeps the header that it is known by
  const from = roll(4) === 0 ? 0 : Math.max(joins[0], 1024);
  let stretches = whole(file);
  for (let count = 1 + roll(12); count > 0; count--) {
    const next = change(stretches, from, container, roll);
    if (totalOf(next) > 64) stretches = next;
  }
  const parts = stretches.map(
    (stretch): Part => ("hex" in stretch ? { is: "hex", ...stretch } : { is: "file", ...stretch }),
  );
  if (roll(6) !== 0) return parts;
  // again and again, one of them or all
  const index = roll(parts.length);
  const repeated: Part = { is: "group", times: size(roll, 30), of: roll(2) === 0 ? parts : [parts[index]] };
  return [...parts.slice(0, index), repeated, ...parts.slice(index + 1)];
}
