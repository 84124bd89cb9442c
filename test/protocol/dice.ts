// Randomness that is the same each time, and what the tests of this folder do with it.

/** Whole numbers from 0 up to `below`, the same for the same seed (splitmix32). */
export function dice(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) % below;
  };
}

/** `bytes` in pieces, some of them empty. */
export function pieces(bytes: Uint8Array, roll: (below: number) => number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  const longest = 1 + roll(Math.max(8, bytes.length));
  for (let at = 0; at < bytes.length; ) {
    const length = roll(longest + 1);
    parts.push(bytes.slice(at, at + length));
    at += length;
  }
  return parts;
}

/** Each byte of `bytes` alone. */
export function singly(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (byte) => Uint8Array.of(byte));
}

/** Where to cut `bytes`: everywhere, but of many bytes only both ends and some places between. */
export function cuts(length: number, roll: (below: number) => number): number[] {
  const all = Array.from({ length: length + 1 }, (_, at) => at);
  return length <= 700 ? all : all.filter((at) => at < 40 || at > length - 40 || roll(length) < 80);
}
