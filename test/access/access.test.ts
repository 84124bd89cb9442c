// What a peer may do is decided in one place, whichever way it comes in.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Access, type AccessOptions, type Peer } from "../../src/access/access.ts";
import { ConnectionLimits, type Purpose } from "../../src/access/limits.ts";
import { WaitingPlaces } from "../../src/access/waitingplaces.ts";
import { AdminToken } from "../../src/auth/admintoken.ts";
import type { AuthRequest } from "../../src/auth/authenticator.ts";
import { Throttle } from "../../src/auth/throttle.ts";
import { Tokens } from "../../src/auth/tokens.ts";
import { FstreamError } from "../../src/errors.ts";
import { Rig } from "../relay/rig.ts";

const far: Peer = { address: "192.0.2.1", secure: true };

function gate(changes: Partial<AccessOptions> = {}, channels?: readonly string[], adminTokenFile?: string) {
  const rig = new Rig();
  const limits = new ConnectionLimits({ maxConnections: 100, maxConnectionsPerIp: 2, exempt: () => false });
  const admitted: string[] = [];
  const logins: AuthRequest[] = [];
  const slept: number[] = [];
  const nowMs = () => rig.clock.nowMs();
  const access = new Access(
    {
      relay: rig.relay,
      authenticator: {
        needsPassword: true,
        authenticate: (login) => {
          logins.push(login);
          if (login.password !== "123") throw new FstreamError("unauthorized", "wrong user or password");
          return Promise.resolve({ user: login.user, channels });
        },
      },
      tokens: new Tokens({ tokenLifetimeMs: 60_000 }, nowMs),
      limits: {
        admit: (purpose: Purpose, address: string) => {
          admitted.push(`${purpose} ${address}`);
          limits.admit(purpose, address);
        },
      },
      guesses: new Throttle({ nowMs, sleep: (ms) => Promise.resolve(void slept.push(ms)) }),
      places: new WaitingPlaces({ maxWaiting: 10 }, () => false),
      ...(adminTokenFile === undefined ? {} : { adminToken: () => new AdminToken(adminTokenFile) }),
    },
    {
      plainPasswords: true,
      authenticateWatchers: false,
      backlogBytes: 1000,
      slowWatcher: "skip",
      maxWaitMs: 1000,
      ...changes,
    },
  );
  return { access, rig, limits, admitted, logins, slept };
}

const broadcast = { user: "fier", channel: "default", bufsize: 0, token: undefined, userPassword: "123" };
const watch = {
  user: "fier",
  channel: "default",
  channelPassword: "",
  start: { type: "join" },
  waitSeconds: 0,
  watcher: undefined,
  watcherPassword: "",
  slowPolicy: undefined,
} as const;

/** The code of what `ask` is refused with, at once or later; "" if it is not refused. */
async function refusal(ask: () => unknown): Promise<string> {
  try {
    await ask();
    return "";
  } catch (error) {
    if (error instanceof FstreamError) return error.code;
    throw error;
  }
}

describe("a peer", () => {
  test("behind a proxy has its connection counted for the proxy, and its login for itself", async () => {
    const { access, admitted, logins } = gate();
    await access.token({ ...far, proxy: "198.51.100.1" }, "fier", "123");
    expect(admitted).toEqual(["token 198.51.100.1"]);
    expect(logins).toEqual([
      expect.objectContaining({ user: "fier", password: "123", address: far.address }),
    ]);
  });

  test("from an address with too many connections gets nothing, and no login is looked up for it", async () => {
    const { access, limits, logins } = gate();
    for (let i = 0; i < 3; i++) limits.enter(far.address, () => {});
    const asks = [
      () => access.token(far, "fier", "123"),
      () => access.broadcast(far, broadcast),
      () => access.watch(far, watch),
    ];
    for (const ask of asks) expect(await refusal(ask)).toBe("limit");
    expect(logins).toEqual([]);
  });

  test("with a name that no user can have is refused before it is counted or looked up", () => {
    const { access, admitted, logins } = gate();
    expect(() => access.token(far, "../fier", "123")).toThrow("slash");
    expect(() => access.broadcast(far, { ...broadcast, user: "a/b" })).toThrow("slash");
    expect(() => access.watch(far, { ...watch, user: "." })).toThrow("dot");
    expect({ admitted, logins }).toEqual({ admitted: [], logins: [] });
  });

  test("gives no password on a plain connection where that is not wanted, for tokens neither", async () => {
    const { access, logins } = gate({ plainPasswords: false });
    const plain = { ...far, secure: false };
    expect(await refusal(() => access.token(plain, "fier", "123"))).toBe("unauthorized");
    expect(await refusal(() => access.broadcast(plain, broadcast))).toBe("unauthorized");
    expect(logins).toEqual([]);
    const { token } = await access.token(far, "fier", "123");
    expect(await refusal(() => access.broadcast(plain, { ...broadcast, token }))).toBe("");
  });

  test("with wrong tokens is slowed down as with wrong passwords, and with a right one never", async () => {
    const { access, slept } = gate();
    const wrong = () => refusal(() => access.broadcast(far, { ...broadcast, token: "wrong" }));
    for (let i = 0; i < 13; i++) expect(await wrong()).toBe("unauthorized");
    expect(slept).toEqual([250, 500]);
    const { token } = await access.token(far, "fier", "123");
    expect(await refusal(() => access.broadcast(far, { ...broadcast, token }))).toBe("");
    expect(slept).toEqual([250, 500]);
  });

  test("may broadcast on the channels of its user alone, with a token too, and the token is used up", async () => {
    const { access } = gate({}, ["cam*"]);
    const { token } = await access.token(far, "fier", "123");
    expect(await refusal(() => access.broadcast(far, { ...broadcast, token }))).toBe("forbidden");
    const allowed = { ...broadcast, channel: "cam1" };
    expect(await refusal(() => access.broadcast(far, { ...allowed, token }))).toBe("unauthorized");
    expect(await refusal(() => access.broadcast(far, allowed))).toBe("");
  });

  test("has chunks of at most half the backlog", async () => {
    const { access } = gate();
    const asks = (bufsize: number) => access.broadcast(far, { ...broadcast, bufsize });
    expect(await refusal(() => asks(500))).toBe("");
    expect(await refusal(() => asks(501))).toBe("bad_request");
  });

  test("gets nothing once the server stops", async () => {
    const { access } = gate();
    access.stop();
    expect(await refusal(() => access.token(far, "fier", "123"))).toBe("shutting_down");
    expect(await refusal(() => access.broadcast(far, broadcast))).toBe("shutting_down");
    expect(await refusal(() => access.watch(far, watch))).toBe("shutting_down");
  });
});

describe("the operator", () => {
  const token = "0123456789abcdef";
  let folder: string;
  let file: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "fstream-admin-"));
    file = join(folder, "token");
    await Bun.write(file, `${token}\n`);
  });
  afterAll(() => rm(folder, { recursive: true }));

  test("is known by the admin token, and by no other", async () => {
    const { access } = gate({}, undefined, file);
    expect(await refusal(() => access.admin(far, token))).toBe("");
    for (const wrong of ["", `${token}\n`, token.slice(1), token.toUpperCase()])
      expect({ wrong, code: await refusal(() => access.admin(far, wrong)) }).toEqual({
        wrong,
        code: "unauthorized",
      });
  });

  test("is nobody where there is no admin token", async () => {
    const { access } = gate();
    expect(await refusal(() => access.admin(far, ""))).toBe("unauthorized");
  });

  test("does not send the token over a plain connection", async () => {
    const { access } = gate({}, undefined, file);
    expect(await refusal(() => access.admin({ ...far, secure: false }, token))).toBe("forbidden");
  });

  test("is guessed at only as fast as passwords are, from one address", async () => {
    const { access, slept } = gate({}, undefined, file);
    for (let i = 0; i < 11; i++) await refusal(() => access.admin(far, "wrong"));
    expect(slept).toEqual([]);
    await refusal(() => access.admin(far, token));
    expect(slept).toEqual([250]);
    await refusal(() => access.admin({ ...far, address: "192.0.2.99" }, token));
    expect(slept).toEqual([250]);
  });
});

describe("what came of it", () => {
  test("is counted for logins and tokens", async () => {
    const { access } = gate();
    await refusal(() => access.token(far, "fier", "wrong"));
    await refusal(() => access.token(far, "fier", "")); // no login: there is nothing to look at
    const { token } = await access.token(far, "fier", "123");
    await access.broadcast(far, { ...broadcast, token });
    await refusal(() => access.broadcast(far, { ...broadcast, token }));
    await access.spend("fier", "another");
    const { logins, tokenUses, tokensIssued } = access.counters;
    expect(logins.entries).toEqual([
      ["accepted", 1],
      ["unauthorized", 1],
      ["busy", 0],
      ["limit", 0],
    ]);
    expect(tokenUses.entries).toEqual([
      ["accepted", 1],
      ["unauthorized", 2],
    ]);
    expect(tokensIssued).toBe(1);
  });
});
