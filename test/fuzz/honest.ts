// What honest peers wait for, one after the other: a new watcher for its first byte, a broadcaster for its `ok`. Each is timed some tens of
// times, on an idle server and on one that is attacked.

import { encodeRequest } from "../../src/protocol/request.ts";
import type { Ports } from "./attacker.ts";
import type { Login } from "./requests.ts";

/** How often each is timed. */
const tries = 30;
/** A median, and the slowest but one of a hundred, are at most so many times what they are on the idle server, */
const maxFactor = 5;
/** or at most so long: a difference of less than that nobody notices. Milliseconds. */
const unnoticedMs = 100;

export const plain: Login = { user: "hana", password: "a plain one" };
export const hashed: Login = { user: "hugo", password: "a hashed one" };
/** The channel of `plain` that is watched. */
export const pictureChannel = "picture";

/** Where honest peers come from, and what they connect to. */
export interface Honest {
  readonly host: string;
  readonly ports: Ports;
  /** What they don't get. */
  readonly failures: string[];
}

/** How long until as many bytes as `enough` asks for have come, milliseconds. Rejects with what `enough` throws. */
async function timed(
  host: string,
  port: number,
  request: Uint8Array,
  enough: (text: Buffer) => boolean,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const sinceMs = performance.now();
  let got = Buffer.alloc(0);
  const socket = await Bun.connect({
    hostname: host,
    port,
    socket: {
      data(_, bytes) {
        got = Buffer.concat([got, bytes]);
        try {
          if (enough(got)) resolve(performance.now() - sinceMs);
        } catch (error) {
          reject(error as Error);
        }
      },
      error() {},
      close: () => reject(new Error(`closed: ${got.subarray(0, 200).toString("latin1")}`)),
    },
  });
  socket.write(request, 0, request.length);
  const timer = setTimeout(() => reject(new Error("nothing within 30 s")), 30_000);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    promise.catch(() => {});
    socket.terminate();
  }
}

/** A watcher's `ok` has its id. */
const watcherOkBytes = 43;

const kinds: Readonly<Record<string, (at: Honest, index: number) => Promise<number>>> = {
  "a watcher's first byte": ({ ports, host }) =>
    timed(
      host,
      ports.tcp,
      encodeRequest("watch", Object.entries({ user: plain.user, channel: pictureChannel, reply: "1" })),
      ({ length }) => length > watcherOkBytes,
    ),
  "a watcher's first byte over HTTP": ({ ports, host }) =>
    timed(
      host,
      ports.http,
      Buffer.from(`GET /watch/${plain.user}/${pictureChannel} HTTP/1.1\r\nHost: relay.example\r\n\r\n`),
      (text) => /\r\n\r\n./s.test(text.subarray(0, 4096).toString("latin1")),
    ),
  "a broadcaster's ok, plain password": (at, index) => okTime(at, plain, index),
  "a broadcaster's ok, hashed password": (at, index) => okTime(at, hashed, index),
};

function okTime({ host, ports }: Honest, { user, password }: Login, index: number): Promise<number> {
  const fields = { user, user_password: password, channel: `try${index % 8}`, reply: "1" };
  return timed(host, ports.tcp, encodeRequest("broadcast", Object.entries(fields)), (text) => {
    if (text.length < 7) return false;
    const answer = text.subarray(5).toString();
    if (!answer.startsWith("ok")) throw new Error(answer);
    return true;
  });
}

/** Milliseconds, by what was timed. */
export type Times = Map<string, number[]>;

export async function timeHonest(at: Honest): Promise<Times> {
  const times: Times = new Map(Object.keys(kinds).map((name) => [name, []]));
  for (let index = 0; index < tries; index++) {
    for (const [name, time] of Object.entries(kinds)) {
      const ms = await time(at, index).catch((error: Error) => {
        at.failures.push(`${name}: ${error.message}`);
        return Number.NaN;
      });
      times.get(name)?.push(ms);
      await Bun.sleep(30);
    }
  }
  return times;
}

function quantile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1];
}

/** Prints how both compare, and adds to `failures` what takes too long. */
export function compare(idle: Times, attacked: Times, how: string, failures: string[]): void {
  console.log(`\n| ${tries} tries each, ms | idle: median, p99 | ${how}: median, p99 | factors |`);
  console.log("|---|---:|---:|---:|");
  for (const [name, before] of idle) {
    const during = attacked.get(name) ?? [];
    const factors = [0.5, 0.99].map((share) => {
      const [was, is] = [quantile(before, share), quantile(during, share)];
      if (!(is <= unnoticedMs || is <= maxFactor * was))
        failures.push(
          `${name}: ${is.toFixed(1)} ms, ${(is / was).toFixed(1)} times what it is on the idle server`,
        );
      return (is / was).toFixed(1);
    });
    const both = (times: readonly number[]) =>
      `${quantile(times, 0.5).toFixed(1)}, ${quantile(times, 0.99).toFixed(1)}`;
    console.log(`| ${name} | ${both(before)} | ${both(during)} | ${factors.join(", ")} |`);
  }
  console.log("");
}
