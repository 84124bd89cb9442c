// What an operator's own authentication answers (authtypes.ts, "Decision"), read with distrust: anything that is not such an
// answer lets nobody in, and is named, so that a slip in a name of it is no open door. Pure.

import type { DecisionDetails } from "./authtypes.ts";

/** Of a reason, characters. */
const maxReasonLength = 200;

type Read = { readonly decision: DecisionDetails } | { readonly problem: string };

/** Of what has been read of each key: whether it fits, and what would be right. */
const keys: Readonly<Record<keyof DecisionDetails, { fits: (value: unknown) => boolean; right: string }>> = {
  allow: { fits: isBoolean, right: "true or false" },
  reason: { fits: (value) => typeof value === "string", right: "a string" },
  tellReason: { fits: isBoolean, right: "true or false" },
  channels: {
    fits: (value) =>
      Array.isArray(value) && value.every((pattern) => typeof pattern === "string" && pattern !== ""),
    right: "a list of names",
  },
  validSeconds: { fits: isPositive, right: "a positive number" },
  cacheSeconds: { fits: isCount, right: "0 or a positive number" },
  maxBitrate: { fits: isCount, right: "0 or a positive number" },
  maxWatchers: { fits: isCount, right: "0 or a positive number" },
};

/** The decision that `value` is, or why it is none. */
export function readDecision(value: unknown): Read {
  if (typeof value === "boolean") return { decision: { allow: value } };
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { problem: `${typeName(value)}, not true, false or an object` };
  const decision: Record<string, unknown> = {};
  for (const [key, given] of Object.entries(value)) {
    // As if left out.
    if (given === undefined || given === null) continue;
    if (!Object.hasOwn(keys, key))
      return {
        problem: `an invalid decision: unknown key ${JSON.stringify(key.slice(0, 32))}: the keys are ${keyNames}`,
      };
    const { fits, right } = keys[key as keyof DecisionDetails];
    if (!fits(given)) return { problem: `an invalid decision: ${key} must be ${right}` };
    decision[key] = key === "reason" ? String(given).slice(0, maxReasonLength).toWellFormed() : given;
  }
  if (!("allow" in decision))
    return { problem: "an invalid decision: allow is missing; it must be true or false" };
  return { decision: decision as unknown as DecisionDetails };
}

const keyNames = Object.keys(keys).join(", ");

function isBoolean(value: unknown): boolean {
  return typeof value === "boolean";
}

function isCount(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function isPositive(value: unknown): boolean {
  return isCount(value) && value !== 0;
}

function typeName(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}
