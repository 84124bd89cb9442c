// Bytes as a hostile or broken peer sends them: mostly right, with something changed, taken out, doubled or put in.

export type Roll = (below: number) => number;

export function pick<T>(roll: Roll, all: readonly T[]): T {
  return all[roll(all.length)];
}

/** How many changes at the most, and how long a piece that is changed. */
const maxChanges = 3;
const maxPiece = 8;

/** `bytes` with up to a few changes; half of the time none. `scraps`: what is put in, `other`: what may follow instead of the rest. */
export function damaged(bytes: Uint8Array, roll: Roll, scraps: readonly string[], other: Uint8Array): Buffer {
  let result = Buffer.from(bytes);
  for (let times = Math.max(0, roll(2 * maxChanges) - maxChanges + 1); times > 0; times--) {
    const at = roll(result.length + 1);
    const to = Math.min(result.length, at + roll(maxPiece));
    const [before, middle, after] = [result.subarray(0, at), result.subarray(at, to), result.subarray(to)];
    const parts = pick<readonly Uint8Array[]>(roll, [
      [before, after],
      [before, middle, middle, after],
      [before, Buffer.from(pick(roll, scraps)), result.subarray(at)],
      [before, Buffer.from([roll(256)]), result.subarray(at + 1)],
      [before, other.subarray(roll(other.length + 1))],
      [before],
    ]);
    result = Buffer.concat(parts);
  }
  return result;
}
