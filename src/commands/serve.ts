// `fstream serve`: the server, until SIGTERM or SIGINT. SIGHUP has it read anew what can change while it runs; where standard
// input is a terminal, which has then been closed, it ends the server as well.

import { isatty } from "node:tty";
import { Throttle, throttled } from "../auth/throttle.ts";
import { readUsers } from "../auth/userstore.ts";
import { FstreamError } from "../errors.ts";
import { type Log, stderrLog } from "../log.ts";
import { startServer } from "../server/server.ts";
import { settingsDifference } from "../settings/difference.ts";
import { settingFlags } from "../settings/flags.ts";
import { loadSettings, type Settings, type Sources } from "../settings/load.ts";
import { described, openAuthenticator } from "./authentication.ts";
import type { Command } from "./command.ts";
import { say } from "./stderr.ts";

const stopSignals = ["SIGTERM", "SIGINT"] as const;

export const serve: Command = {
  name: "serve",
  summary: "the server",
  usage: ["serve [--config FILE] [--SETTING VALUE]..."],
  notes:
    "On SIGTERM or SIGINT it ends its streams in order first, within shutdown_grace; a second signal ends it at once. On SIGHUP it takes up a renewed certificate, and says which settings need a restart; where standard input is a terminal, it ends as well.",
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
    // While the server stops, too: the default action would end it at once. What comes before it runs needs no answer.
    let reload: (() => Promise<void>) | undefined;
    const isOnTerminal = isatty(0);
    if (!isOnTerminal) process.on("SIGHUP", () => void reload?.());
    const sources = { file, cwd, environment, overrides };
    const settings = await loadSettings(sources);
    const log = stderrLog(settings.server.logLevel, say);
    const throttle = new Throttle({ nowMs: () => performance.now(), sleep: Bun.sleep });
    const inner = await openAuthenticator(settings, log, (address) => throttle.pressureOf(address));
    const authenticator = throttled(inner, throttle);
    const stopped = signalled(isOnTerminal ? [...stopSignals, "SIGHUP"] : stopSignals);
    const server = await startServer(settings, authenticator, log);
    if (settings.auth.authenticator === "users") await reportUsers(settings.fstream.usersDir, log);
    else log.info(`logins are decided by ${described(settings)}`);
    reload = async () => {
      log.info("SIGHUP: reloading");
      try {
        await Promise.all([server.reload(), reportSettings(settings, sources, log)]);
      } catch (error) {
        log.error(`a bug in fstream: ${(error as Error).stack ?? String(error)}`);
      }
    };
    log.info("ready");
    log.info(`${await stopped}: stopping`);
    await server.stop();
    authenticator.stop?.();
    return 0;
  },
};

/** Settings are taken up when the server starts: what would be different then. */
async function reportSettings(settings: Settings, sources: Sources, log: Log): Promise<void> {
  const { changed, problems } = await settingsDifference(settings, sources);
  if (changed.length > 0) log.warn(`settings that have changed need a restart: ${changed.join(", ")}`);
  if (problems.length > 0)
    log.warn(
      `the settings are wrong by now, and the server would not start again (\`fstream check\`): ${problems[0]}`,
    );
}

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

/** Resolves with the first of the signals; a second one ends the process by its default action. */
function signalled(signals: readonly NodeJS.Signals[]): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  const stop = (signal: NodeJS.Signals) => {
    for (const each of signals) process.off(each, stop);
    resolve(signal);
  };
  for (const signal of signals) process.on(signal, stop);
  return promise;
}
