// The streams that are made are streams: each container's detector takes them for its own, and the same seed makes the same.

import { expect, setDefaultTimeout, test } from "bun:test";
import { containers } from "../../src/media/containers.ts";
import { Sniffer } from "../../src/media/sniffer.ts";
import { dice } from "../protocol/dice.ts";
import { draw } from "./cases.ts";
import { families, familyOf } from "./families.ts";
import { render } from "./parts.ts";

setDefaultTimeout(60_000);

/** What the first bytes of a stream are taken for at any time. */
function taken(bytes: Uint8Array): string {
  let container = "unknown";
  const sniffer = new Sniffer({ header() {}, join() {}, unit() {} });
  const look = () => {
    if (container === "unknown") container = sniffer.info.container;
  };
  for (let at = 0; at < bytes.length; at += 500) {
    sniffer.feed(bytes.subarray(at, at + 500), at);
    look();
    if (container !== "unknown") return container;
  }
  sniffer.finishDetection();
  look();
  return container;
}

test("every container has a family", () => {
  expect(families.map(({ name }) => name).sort()).toEqual(
    [...new Set(containers.map(({ name }) => name))].sort(),
  );
});

test.each(families.map(({ name }) => name))("every pattern of %s is taken for it", (name) => {
  const family = familyOf(name);
  for (const [pattern, make] of Object.entries(family.patterns)) {
    const known = Array.from({ length: 4 }, (_, seed) => taken(render(family, make(dice(seed + 1)), 66_000)));
    expect({ pattern, isKnown: known.includes(name) }).toEqual({ pattern, isKnown: true });
  }
});

test("the same seed makes the same stream, and the same ways to feed it", () => {
  for (const { name } of families) {
    for (let index = 0; index < 4; index++) {
      const [one, other] = [draw(name, index, dice(index)), draw(name, index, dice(index))];
      expect(other).toEqual(one);
      const family = familyOf(name);
      expect(Bun.hash(render(family, other.parts, 1e5))).toBe(Bun.hash(render(family, one.parts, 1e5)));
    }
  }
});
