// The time of day may be set while a server runs, by hand or by NTP: what lasts so long is measured by a clock that only goes forward.

import { afterEach, expect, setSystemTime, test } from "bun:test";
import type { Authenticator } from "../../src/auth/authenticator.ts";
import { FstreamError } from "../../src/errors.ts";
import { createLog } from "../../src/log.ts";
import { startServer } from "../../src/server/server.ts";
import { loadSettings } from "../../src/settings/load.ts";
import { optionsOf } from "../../src/settings/options.ts";
import { behindOk, Peer } from "../e2e/program.ts";

const dayMs = 24 * 3600 * 1000;
afterEach(() => void setSystemTime());

/** A server in this process, whose time of day the tests set. */
async function serve(lifetime: string) {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  const log = createLog({ level: "debug", journal: false, write, nowMs: () => performance.now() });
  const overrides = { listen: "127.0.0.1:0", "https-listen": "", "token-lifetime": lifetime };
  const settings = await loadSettings({ cwd: "/nowhere", environment: {}, overrides });
  const authenticator: Authenticator = {
    needsPassword: true,
    authenticate: async ({ user, password }) => {
      if (password !== "123") throw new FstreamError("unauthorized", "wrong user or password");
      return { user, channels: undefined };
    },
  };
  const server = await startServer(optionsOf(settings), authenticator, log);
  const port = Number(/listening on tcp .*:(\d+)/.exec(lines.join(""))?.[1]);
  const ask = async (request: string, media = "") => {
    const peer = await Peer.dial(port);
    peer.request(`${request},reply=1`, "\n\n", media);
    return peer;
  };
  const token = async () => {
    const peer = await ask("token,user=fier,user_password=123");
    await peer.ended();
    return /token=([^,]+)/.exec(peer.text)?.[1] ?? "";
  };
  return { server, ask, token };
}

test.each([
  ["forward", dayMs],
  ["back", -dayMs],
])(
  "a clock that is set %s a day neither ends a token's life nor prolongs it, and ends no stream",
  async (_, jumpMs) => {
    const { server, ask, token } = await serve("1h");
    const broadcaster = await ask("broadcast,user=fier,user_password=123,channel=live", "before ");
    await broadcaster.received(7);
    const watcher = await ask("watch,user=fier,channel=live,start=live");
    const waiting = await ask("watch,user=fier,channel=later,wait=60");
    await watcher.received(43);
    const given = await token();
    setSystemTime(Date.now() + jumpMs);
    const later = await ask(`broadcast,user=fier,token=${given},channel=later`, "media");
    later.finish();
    await waiting.ended();
    expect(behindOk(waiting.text)).toBe("media");
    broadcaster.send("after").finish();
    await watcher.ended();
    expect(behindOk(watcher.text)).toEndWith("after");
    await server.stop();
  },
);

test("a clock that is set back again and again does not keep a token alive", async () => {
  const { server, ask, token } = await serve("1s");
  const given = await token();
  const sinceMs = performance.now();
  for (let i = 1; performance.now() - sinceMs < 1100; i++) {
    setSystemTime(Date.now() - i * 1000);
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
  const late = await ask(`broadcast,user=fier,token=${given}`, "media");
  await late.ended();
  expect(decodeURIComponent(late.text.slice(5))).toBe("error,code=unauthorized,message*=token expired");
  await server.stop();
});
