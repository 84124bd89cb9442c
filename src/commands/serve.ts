// `fstream serve`: the server, until SIGTERM or SIGINT. SIGHUP has it read anew what can change while it runs; where standard
// input is a terminal, which has then been closed, it ends the server as well.

import { join, resolve } from "node:path";
import { isatty } from "node:tty";
import { CurrentAuthenticator } from "../auth/currentauthenticator.ts";
import { Throttle, throttled } from "../auth/throttle.ts";
import { readUsers } from "../auth/userstore.ts";
import { FstreamError, meaning } from "../errors.ts";
import { type Log, stderrLog } from "../log.ts";
import { passedSockets } from "../server/activation.ts";
import { managerVariables, Notifier } from "../server/notify.ts";
import { startServer } from "../server/server.ts";
import { connectService, type WindowsService } from "../server/windowsservice.ts";
import { settingFlags } from "../settings/flags.ts";
import {
  type Examination,
  examineSettings,
  firstProblem,
  type Settings,
  type Sources,
} from "../settings/load.ts";
import { type Options, optionsOf } from "../settings/options.ts";
import { described, openAuthenticator } from "./authentication.ts";
import type { Command, Invocation } from "./command.ts";
import { LogFile } from "./logfile.ts";
import { Reload } from "./reload.ts";
import { serverSignals } from "./serversignals.ts";
import { configFlag, sourcesOf, usersOption } from "./settingsfile.ts";
import { say, sayTo } from "./stderr.ts";
import { stopSignal } from "./stopsignal.ts";

const serviceFlag = {
  service: { type: "boolean", help: "run as a Windows service, as set up with `sc.exe create`" },
} as const;

export const serve: Command = {
  name: "serve",
  summary: "start the server",
  usage: ["serve [--config FILE] [--SETTING VALUE]..."],
  examples: [
    "fstream serve",
    "fstream serve --listen :61920 --users-dir /srv/fstream/users --max-bitrate 5M",
    "fstream serve --config /etc/fstream/fstream.toml",
  ],
  notes:
    "On SIGTERM or SIGINT the server ends its streams cleanly, within shutdown_grace, and stops; a second signal stops it at once. On SIGHUP it reloads the settings and the certificate, and logs which changes need a restart; if standard input is a terminal, SIGHUP stops it.",
  flags: {
    config: configFlag,
    ...(process.platform === "win32" ? serviceFlag : {}),
    ...settingFlags,
  },
  run: async (invocation) => {
    const { flags, operands, environment } = invocation;
    if (operands.length > 0) {
      throw new FstreamError("usage", `unexpected argument: ${operands[0]}`, {
        hint: surplusHint(invocation),
      });
    }
    const { config: _, service: isService, ...overrides } = flags;
    const service = isService === true ? await asService(environment) : undefined;
    // While the server stops, too: the default action would end it at once. What comes before it runs needs no answer.
    let reload: Reload | undefined;
    const signals = serverSignals(process.platform, {
      isOnTerminal: isatty(0),
      isService: service !== undefined,
    });
    if (signals.reloads) process.on("SIGHUP", () => void reload?.run());
    const onReload = (made: Reload) => {
      reload = made;
    };
    const sources = sourcesOf(invocation, overrides);
    const examination = await examineSettings(sources);
    const options = optionsOf(examination.settings);
    const log = stderrLog(options, say);
    try {
      await run({ invocation, sources, examination, options, log, service, signals, onReload });
      return 0;
    } catch (error) {
      if (!(error instanceof FstreamError) || options.logFormat !== "json") throw error;
      // Who reads the log reads nothing else.
      const { code, message, hint } = error;
      log.error(message, hint === undefined ? { code } : { code, hint });
      return meaning(code).exit;
    }
  },
};

/** An operand is likely to be the value of a flag that takes one only after an equals sign, or an address. */
function surplusHint({ flags, operands: [word] }: Invocation): string {
  const alone = Object.keys(settingFlags).find((name) => flags[name] === true);
  if (alone !== undefined && (word === "true" || word === "false"))
    return `write --${alone}=${word}, with an equals sign`;
  return "use --listen HOST:PORT to set the address";
}

interface Start {
  readonly invocation: Invocation;
  readonly sources: Sources;
  readonly examination: Examination;
  readonly options: Options;
  readonly log: Log;
  readonly service: WindowsService | undefined;
  readonly signals: ReturnType<typeof serverSignals>;
  /** Gets what reloads the server, once it can. */
  readonly onReload: (reload: Reload) => void;
}

/** Resolves when the server has stopped in order; rejects with what keeps it from starting. */
async function run(start: Start): Promise<void> {
  const { invocation, sources, examination, options, log, service, signals } = start;
  const { settings, file, renamed } = examination;
  const problem = firstProblem(examination, sources);
  if (problem !== undefined) throw problem;
  log.info(
    file === undefined
      ? "no settings file: using defaults"
      : `settings file: ${resolve(invocation.cwd, file)}`,
  );
  for (const line of renamed) log.warn(line);
  const notifier = new Notifier(invocation.environment, log.scope("systemd"));
  const passed = passedSockets(invocation.environment);
  for (const name of managerVariables) delete process.env[name];
  const throttle = new Throttle({ nowMs: () => performance.now(), sleep: Bun.sleep });
  const open = (of: Settings) => openAuthenticator(of, log, (address) => throttle.pressureOf(address));
  const authenticator = new CurrentAuthenticator(await open(settings));
  const stopped = stopSignal(process, signals.stop);
  const server = await startServer(options, throttled(authenticator, throttle), log, passed);
  if (settings.auth.authenticator === "users") await reportUsers(settings.fstream.usersDir, invocation, log);
  else log.info(`logins are checked by ${described(settings)}`);
  start.onReload(new Reload({ settings, sources, options, authenticator, open, server, log, notifier }));
  log.info("ready");
  notifier.begin(() => server.summary);
  service?.running();
  log.info(`${await stopped}: stopping`);
  notifier.stopping(options.shutdownGraceMs);
  service?.stopping(options.shutdownGraceMs + serviceSlackMs);
  await server.stop();
  notifier.end();
  authenticator.stop();
  service?.stopped();
}

/** How much longer than `shutdown_grace` stopping may take, milliseconds. */
const serviceSlackMs = 5000;

/** What the service manager asks for comes as signals do; what the server says goes to a file. */
async function asService(environment: Readonly<Record<string, string | undefined>>): Promise<WindowsService> {
  const service = await connectService({
    stop: () => void process.emit("SIGTERM", "SIGTERM"),
    reload: () => void process.emit("SIGHUP", "SIGHUP"),
  });
  sayTo(new LogFile(join(environment.PROGRAMDATA ?? "C:\\ProgramData", "fstream", "fstream.log")));
  return service;
}

/** A server that is started for the first time has no users yet: a warning before the first broadcast fails. */
async function reportUsers(folder: string, invocation: Invocation, log: Log): Promise<void> {
  const userAdd = `fstream user add NAME${usersOption(invocation)}`;
  try {
    const { users, problems, warnings } = await readUsers(folder);
    if (users.length === 0) log.warn(`no users in ${folder}: broadcasts will be refused (\`${userAdd}\`)`);
    for (const problem of [...problems, ...warnings]) log.warn(problem);
  } catch (error) {
    if (!(error instanceof FstreamError)) throw error;
    // It has a hint where the folder is not there.
    const creates = error.hint === undefined ? "" : ` (\`${userAdd}\` creates it)`;
    log.warn(`${error.message}: broadcasts will be refused${creates}`);
  }
}
