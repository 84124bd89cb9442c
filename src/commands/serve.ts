// `fstream serve`: the server, until SIGTERM, SIGINT or SIGHUP (a terminal that closes).

import { FolderAuthenticator } from "../auth/folderauthenticator.ts";
import { Throttle, throttled } from "../auth/throttle.ts";
import { readUsers } from "../auth/userstore.ts";
import { FstreamError } from "../errors.ts";
import { type Log, stderrLog } from "../log.ts";
import { startServer } from "../server/server.ts";
import { settingFlags } from "../settings/flags.ts";
import { loadSettings } from "../settings/load.ts";
import type { Command } from "./command.ts";
import { say } from "./stderr.ts";

export const serve: Command = {
  name: "serve",
  summary: "the server",
  usage: ["serve [--config FILE] [--SETTING VALUE]..."],
  flags: {
    config: { type: "string", value: "FILE", help: "settings file (default: ./fstream.toml if it is there)" },
    ...settingFlags,
  },
  run: async ({ flags, operands, environment, cwd }) => {
    if (operands.length > 0) {
      throw new FstreamError("usage", `serve takes no operand: ${operands[0]}`, {
        hint: "--listen HOST:PORT is where it listens",
      });
    }
    const { config, ...overrides } = flags;
    const file = typeof config === "string" ? config : undefined;
    const settings = await loadSettings({ file, cwd, environment, overrides });
    const log = stderrLog(settings.server.logLevel, say);
    const throttle = new Throttle({ nowMs: () => performance.now(), sleep: Bun.sleep });
    const users = new FolderAuthenticator({
      folder: settings.fstream.usersDir,
      log: log.scope("users"),
      pressureOf: (address) => throttle.pressureOf(address),
    });
    const authenticator = throttled(users, throttle);
    const stopped = signalled();
    const server = await startServer(settings, authenticator, log);
    await reportUsers(settings.fstream.usersDir, log);
    log.info("ready");
    log.info(`${await stopped}: stopping`);
    await server.stop();
    return 0;
  },
};

/** A server that is started for the first time has no users yet: a warning before the first broadcast fails. */
async function reportUsers(folder: string, log: Log): Promise<void> {
  try {
    const { users, problems } = await readUsers(folder);
    if (users.length === 0)
      log.warn(`no users in ${folder}: broadcasts will be refused (\`fstream user add NAME\`)`);
    for (const problem of problems) log.warn(problem);
  } catch (error) {
    if (!(error instanceof FstreamError)) throw error;
    log.warn(`${error.message}: broadcasts will be refused (\`fstream user add NAME\` makes it)`);
  }
}

/** Resolves with the first signal that asks to stop; a second one ends the process by its default action. */
function signalled(): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
  const stop = (signal: NodeJS.Signals) => {
    for (const each of signals) process.off(each, stop);
    resolve(signal);
  };
  for (const signal of signals) process.on(signal, stop);
  return promise;
}
