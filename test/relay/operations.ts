// What can happen to one channel and its watchers, as plain data, so that a list of operations that fails can be made smaller
// (fast-check). simulation.ts carries them out.

import * as fc from "fast-check";
import type { SlowPolicy, StartPoint } from "../../src/relay/watcher.ts";

/** What is wrong with a socket: after so many writes it throws, or its peer is gone. */
export type Fault =
  | { readonly type: "none" }
  | { readonly type: "throws" | "refuses"; readonly afterWrites: number };

export interface Arrival {
  readonly do: "watch";
  readonly start: StartPoint;
  /** How much it takes at a time; 0: always everything. */
  readonly roomBytes: number;
  readonly slowPolicy: SlowPolicy;
  readonly password: string;
  readonly fault: Fault;
  /** What a write to it costs, milliseconds: the fan-out gathers bytes then. */
  readonly writeMs: number;
  /** Whether it can be sent to beside writes. */
  readonly isBatched: boolean;
}

export type Operation =
  | { readonly do: "begin"; readonly kind: number; readonly password: string }
  | { readonly do: "send"; readonly bytes: number; readonly isPoured: boolean }
  | { readonly do: "end"; readonly isOrderly: boolean }
  | Arrival
  | { readonly do: "take"; readonly watcher: number; readonly bytes: number }
  /** It takes what there is, and not a byte more. */
  | { readonly do: "catchUp"; readonly watcher: number }
  | { readonly do: "leave"; readonly watcher: number }
  | { readonly do: "pass"; readonly ms: number };

/** What operations are chosen from. */
export interface Choices {
  /** How many kinds of broadcasts there are. */
  readonly kinds: number;
  /** The most that is sent at once, bytes. */
  readonly largest: number;
  readonly starts: readonly StartPoint["type"][];
  readonly passwords: readonly string[];
}

const mostMs = 30_000;

export function operationLists({ kinds, largest, starts, passwords }: Choices): fc.Arbitrary<Operation[]> {
  const password = fc.constantFrom(...passwords);
  const watcher = fc.nat(11);
  const fault: fc.Arbitrary<Fault> = fc.oneof(
    { weight: 8, arbitrary: fc.constant<Fault>({ type: "none" }) },
    {
      weight: 1,
      arbitrary: fc.record({ type: fc.constantFrom("throws", "refuses"), afterWrites: fc.nat(20) }),
    },
  );
  const start: fc.Arbitrary<StartPoint> = fc
    .constantFrom(...starts)
    .chain<StartPoint>((type) =>
      type === "back" ? fc.nat(20_000).map((ms) => ({ type, ms })) : fc.constant({ type }),
    );
  const operation: fc.Arbitrary<Operation> = fc.oneof(
    {
      weight: 40,
      arbitrary: fc.record({
        do: fc.constant("send"),
        bytes: fc.integer({ min: 1, max: 2000 }),
        isPoured: fc.boolean(),
      }),
    },
    {
      weight: 15,
      arbitrary: fc.record({
        do: fc.constant("send"),
        bytes: fc.integer({ min: 1, max: largest }),
        isPoured: fc.boolean(),
      }),
    },
    {
      weight: 15,
      arbitrary: fc.record({ do: fc.constant("take"), watcher, bytes: fc.nat(20_000) }),
    },
    { weight: 12, arbitrary: fc.record({ do: fc.constant("pass"), ms: fc.nat(600) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("pass"), ms: fc.nat(mostMs) }) },
    {
      weight: 7,
      arbitrary: fc.record({
        do: fc.constant("watch"),
        start,
        roomBytes: fc.oneof(fc.constantFrom(0, 1), fc.integer({ min: 1, max: 20_000 })),
        slowPolicy: fc.constantFrom("skip", "skip", "close"),
        password,
        fault,
        writeMs: fc.constantFrom(0, 0, 5),
        isBatched: fc.boolean(),
      }),
    },
    { weight: 5, arbitrary: fc.record({ do: fc.constant("catchUp"), watcher }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("leave"), watcher }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("begin"), kind: fc.nat(kinds - 1), password }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("end"), isOrderly: fc.boolean() }) },
  );
  return fc
    .array(operation, { minLength: 1, maxLength: 400, size: "max" })
    .map((operations) => [{ do: "begin", kind: 0, password: "" }, ...operations]);
}

/** Tries a number of lists of operations, the same at each run; one that fails is made smaller. */
export function check(
  choices: Choices,
  numRuns: number,
  seed: number,
  act: (operations: readonly Operation[]) => void,
): void {
  fc.assert(fc.property(operationLists(choices), act), {
    numRuns,
    seed,
    includeErrorInReport: true,
    interruptAfterTimeLimit: 60_000,
  });
}
