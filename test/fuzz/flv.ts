// FLV by structure: configurations of any size and number, frames, tags whose sizes lie. src/media/flv follows it.

import { avcC, slice } from "./avc.ts";
import { ascii, big, type Family, joined, noise, number, type Part, pick, type Roll, size } from "./parts.ts";

function tag(
  type: number,
  timeMs: number,
  payload: Uint8Array,
  claimed = payload.length,
  tail = claimed + 11,
) {
  const time = [(timeMs >> 16) & 255, (timeMs >> 8) & 255, timeMs & 255, (timeMs >>> 24) & 255];
  return joined(Uint8Array.of(type, ...big(claimed % 2 ** 24, 3), ...time, 0, 0, 0), payload, big(tail, 4));
}

function payload(part: Part): Uint8Array {
  const body = noise(number(part, "size"), number(part, "seed", 1));
  const track = number(part, "track", -1);
  const isKey = part.is === "key" || part.is === "config";
  // several tracks, as Enhanced RTMP has them
  if (track >= 0) {
    const packet = part.is === "config" ? 0 : 1;
    return joined(Uint8Array.of(isKey ? 0x96 : 0xa6, packet), ascii("avc1"), Uint8Array.of(track), body);
  }
  switch (part.is) {
    case "config":
      return joined(Uint8Array.of(0x17, 0, 0, 0, 0), body);
    case "avcc":
      return joined(Uint8Array.of(0x17, 0, 0, 0, 0), avcC, body);
    case "key":
    case "frame":
      return joined(Uint8Array.of(isKey ? 0x17 : 0x27, 1, 0, 0, 0), body);
    // a picture whose slice is to be read: a recovery point where the tag says keyframe
    case "slice": {
      const unit = slice(number(part, "seed"), body.length);
      const head = Uint8Array.of(number(part, "key") === 1 ? 0x17 : 0x27, 1, 0, 0, 0);
      return joined(head, big(unit.length, 4), unit);
    }
    case "sound":
      return joined(Uint8Array.of(0xaf, number(part, "config") === 1 ? 0 : 1), body);
    case "metadata": {
      const entry = joined(big(5, 2), ascii("width"), Uint8Array.of(0, 0x40, 0x84, 0, 0, 0, 0, 0, 0));
      const entries = Array.from({ length: number(part, "entries", 1) }, () => entry);
      return joined(
        Uint8Array.of(2, 0, 10),
        ascii("onMetaData"),
        Uint8Array.of(8, 0, 0, 0, 0),
        ...entries,
        body,
      );
    }
    default:
      return body;
  }
}

const types: Record<string, number> = { sound: 8, metadata: 18, script: 18 };
const head: Part = { is: "head" };

/** Configurations that differ from each other, each with some keyframes behind it. */
function toggled(roll: Roll): Part[] {
  const most = 10 ** (2 + roll(5));
  const config = (seed: number): Part => ({ is: "config", size: size(roll, most), seed });
  const keys: Part = { is: "key", size: roll(30), times: 1 + roll(20) };
  return [head, config(0), { is: "group", times: size(roll, 5000), of: [config(1), keys, config(2), keys] }];
}

export const flv: Family = {
  name: "flv",
  writer() {
    let timeMs = 0;
    return (part, inside) => {
      if (part.is === "head") return joined(ascii("FLV"), Uint8Array.of(1, 5, 0, 0, 0, 9, 0, 0, 0, 0));
      timeMs += number(part, "ms", 40);
      const bytes = joined(payload(part), inside);
      const claimed = number(part, "claimed", bytes.length);
      return tag(
        number(part, "type", types[part.is] ?? 9),
        timeMs,
        bytes,
        claimed,
        number(part, "tail", claimed + 11),
      );
    };
  },
  patterns: {
    // sniffed by its first tag, which has to be within the first bytes
    "a large configuration": (roll) => [
      head,
      { is: "sound", size: 5, config: 1 },
      { is: "config", size: pick(roll, [1_500_000, 4_000_000, 65_000]), seed: 1 },
      { is: "key", size: roll(40), times: size(roll, 20_000) },
    ],
    "toggled configurations": toggled,
    "many tracks": (roll) => [
      head,
      { is: "sound", size: 5, config: 1 },
      ...Array.from(
        { length: 1 + roll(255) },
        (_, track): Part => ({ is: "config", track, size: size(roll, 300_000) }),
      ),
      {
        is: "group",
        times: size(roll, 10_000),
        of: [
          { is: "key", track: 0, size: 10 },
          { is: "key", track: roll(255), size: 3 },
        ],
      },
    ],
    "recovery points": (roll) => [
      head,
      { is: "avcc", size: roll(2) * size(roll, 100_000) },
      {
        is: "group",
        times: size(roll, 10_000),
        of: [
          { is: "slice", key: 1, size: roll(40) },
          { is: "slice", size: roll(40), times: roll(4) },
        ],
      },
    ],
    metadata: (roll) => [
      head,
      { is: "metadata", entries: 1 },
      {
        is: "group",
        times: size(roll, 3000),
        of: [
          { is: "metadata", entries: size(roll, 50_000) },
          { is: "config", size: 20 },
          { is: "key", size: 5 },
        ],
      },
    ],
    "tiny tags": (roll) => [
      head,
      { is: "config", size: 20 },
      { is: pick(roll, ["key", "frame", "sound", "script"]), size: roll(3), times: 300_000 },
    ],
    "lengths that lie": (roll) => [
      head,
      { is: "config", size: 20 },
      {
        is: "group",
        times: size(roll, 20_000),
        of: [
          { is: "key", size: roll(100), claimed: roll(2 ** pick(roll, [4, 8, 16, 23])), times: 1 + roll(3) },
          { is: "key", size: roll(50), tail: roll(200) },
          { is: "frame", size: roll(50), times: roll(5) },
        ],
      },
    ],
    "sound alone": (roll) => [
      head,
      { is: "sound", config: 1, size: size(roll, 1_000_000) },
      { is: "sound", size: roll(10), ms: roll(1000), times: 200_000 },
    ],
  },
  elements(bytes) {
    const at: number[] = [0];
    for (let next = 13; next + 15 <= bytes.length; ) {
      at.push(next);
      next += 15 + bytes[next + 1] * 65_536 + bytes[next + 2] * 256 + bytes[next + 3];
    }
    return at;
  },
};
