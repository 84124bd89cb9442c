// Broadcasts end when their user may no longer make them.

import { expect, test } from "bun:test";
import { Revocations } from "../../src/access/revocations.ts";
import { createLog } from "../../src/log.ts";
import { Rig } from "../relay/rig.ts";

function start(revocation?: (user: string, channel: string) => Promise<string | undefined>) {
  const rig = new Rig({ holdMs: 60_000 });
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  const revocations = new Revocations({
    relay: rig.relay,
    authenticator: revocation === undefined ? {} : { revocation },
    clock: rig.clock,
    log: createLog({ level: "info", journal: false, write, nowMs: () => 0 }),
  });
  return { rig, revocations, lines };
}

/** Lets so many looks be taken. */
async function look(rig: Rig, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    rig.clock.advance(2000);
    await Bun.sleep(0);
  }
}

test("a broadcast ends after two looks that find its user removed, and its watchers in order", async () => {
  const { rig } = start((user) => Promise.resolve(user === "fier" ? "user fier was removed" : undefined));
  const fier = rig.broadcast();
  const ann = rig.broadcast({ user: "ann" });
  fier.send(new Uint8Array(10));
  const watcher = rig.watch({ waitMs: 1000 });
  await look(rig, 1);
  expect(fier.dismissal).toBeUndefined();
  await look(rig, 1);
  expect(fier.dismissal).toMatchObject({
    code: "unauthorized",
    message: "the server's operator has ended the broadcast: user fier was removed",
  });
  rig.clock.advance(1000);
  expect(watcher.end).toEqual({ type: "orderly" });
  expect(ann.dismissal).toBeUndefined();
});

test("a file that is away for one look ends nothing", async () => {
  let looks = 0;
  const { rig } = start(() => Promise.resolve(looks++ % 2 === 0 ? "user fier was removed" : undefined));
  const fier = rig.broadcast();
  await look(rig, 10);
  expect(looks).toBe(10);
  expect(fier.dismissal).toBeUndefined();
});

test("a channel that is held for its broadcaster's return is ended too", async () => {
  const { rig } = start(() => Promise.resolve("user fier was disabled"));
  rig.broadcast().finish();
  rig.broadcast({ channel: "other" }).break(new Error("gone") as never);
  expect(rig.relay.find("fier", "other")?.state).toBe("held");
  await look(rig, 2);
  expect(rig.relay.find("fier", "other")).toBeUndefined();
});

test("looking goes on after a fault, which is logged, and stops with the server", async () => {
  let looks = 0;
  const { rig, revocations, lines } = start(() => {
    looks++;
    throw new Error("a fault");
  });
  rig.broadcast();
  await look(rig, 3);
  expect(looks).toBe(3);
  expect(lines[0]).toContain("a fault");
  revocations.stop();
  await look(rig, 3);
  expect(looks).toBe(3);
});

test("an authenticator that can't tell is not asked", async () => {
  const { rig, lines } = start();
  const fier = rig.broadcast();
  await look(rig, 3);
  expect(fier.dismissal).toBeUndefined();
  expect(lines).toEqual([]);
});
