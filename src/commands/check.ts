// `fstream check`: reads everything that the server reads when it starts, and reports all that is wrong with it
// at once, where the server would stop at the first.

import { AdminToken } from "../auth/admintoken.ts";
import { type Folder, readUsers } from "../auth/userstore.ts";
import { FstreamError } from "../errors.ts";
import { readKeyPair, validityProblem } from "../keypair.ts";
import { stderrLog } from "../log.ts";
import { byLine, examineSettings, type Settings } from "../settings/load.ts";
import { described, openAuthenticator } from "./authentication.ts";
import type { Command, Invocation } from "./command.ts";
import { probeLogin } from "./loginprobe.ts";
import { configFlag, sourcesOf, usersOption } from "./settingsfile.ts";
import { examineStateFolder } from "./statefolder.ts";
import { say } from "./stderr.ts";

export const check: Command = {
  name: "check",
  summary: "check the settings and the users",
  usage: [
    "check [--config FILE] [--users-dir DIR]",
    "check --login NAME [--watch USER] [--channel NAME] [FLAG]...",
  ],
  examples: [
    "fstream check",
    "fstream check --config /etc/fstream/fstream.toml",
    "fstream check --login fier --password-file secret",
  ],
  flags: {
    config: configFlag,
    "users-dir": {
      type: "string",
      value: "DIR",
      help: "the users folder (default: the one in the settings)",
    },
    login: {
      type: "string",
      value: "NAME",
      help: "ask for NAME's password, and show whether NAME may broadcast and how long the check took",
    },
    watch: {
      type: "string",
      value: "USER",
      help: "with --login: check whether NAME may watch USER's channel",
    },
    channel: { type: "string", value: "NAME", help: "with --login: the channel to check" },
    "password-file": {
      type: "string",
      value: "FILE",
      help: "with --login: read the password from FILE (- for standard input) instead of asking for it",
    },
  },
  run,
};

/** What is about the login that is checked. */
const loginFlags = ["watch", "channel", "password-file"] as const;

async function run(invocation: Invocation): Promise<number> {
  const { flags, operands, terminal } = invocation;
  if (operands.length > 0) throw new FstreamError("usage", `unexpected argument: ${operands[0]}`);
  const idle = loginFlags.find((name) => flags[name] !== undefined);
  if (flags.login === undefined && idle !== undefined)
    throw new FstreamError("usage", `--${idle} needs --login`, {
      hint: `fstream check --login NAME --${idle} ${String(flags[idle])}`,
    });
  const sources = sourcesOf(invocation, { "users-dir": flags["users-dir"] });
  const { settings, file, isRead, problems, placeOf, renamed } = await examineSettings(sources);
  /** Something is wrong with what a setting names: says where it is set. */
  const about = (setting: string, { message, hint }: FstreamError) => {
    const place = placeOf(setting);
    const options = hint === undefined ? {} : { hint };
    return new FstreamError("failed", place === undefined ? message : `${place}: ${message}`, options);
  };
  const errors = problems.map(failed);
  for (const { setting, problem } of await fileProblems(settings))
    errors.push(about(setting, failed(problem)));
  const adminToken = await examineAdminToken(settings);
  if (adminToken.error !== undefined) errors.push(about("admin_token_file", adminToken.error));
  const keepsState = placeOf("state_dir") !== undefined || file === undefined;
  const state = isRead && keepsState ? await examineStateFolder(settings) : {};
  if (state.error !== undefined) errors.push(about("state_dir", state.error));
  // Where settings can't be read, it is not known who the users are.
  const hasUsers = isRead && settings.auth.authenticator === "users";
  const examined = hasUsers ? await examineUsers(settings) : undefined;
  const userAdd = `\`fstream user add NAME${usersOption(invocation)}\``;
  if (examined instanceof FstreamError) {
    const { code, message, hint } = examined;
    const options = hint === undefined ? {} : { hint: `${userAdd} creates it` };
    errors.push(about("users_dir", new FstreamError(code, message, options)));
  }
  errors.sort((a, b) => byLine(file ?? "")(a.message, b.message));
  const folder = examined instanceof FstreamError ? nobody : examined;
  if (folder === undefined && problems.length === 0) errors.push(...(await authenticatorProblems(settings)));
  // Another user's file is no matter of a login.
  const folderProblems = flags.login === undefined ? (folder?.problems ?? []) : [];
  errors.push(...folderProblems.map(failed));
  for (const error of errors) terminal.error(error);
  for (const line of renamed) terminal.say(`warning: ${line}`);
  for (const line of folder?.warnings ?? []) terminal.say(`warning: ${line}`);
  for (const path of folder?.exposed ?? [])
    terminal.say(
      `warning: ${path}: others on this machine can read the plain-text password: chmod o= ${path}`,
    );
  if (state.warning !== undefined) terminal.say(`warning: ${state.warning}`);
  if (adminToken.isExposed)
    terminal.say(
      `warning: others on this machine can read the admin token: chmod o= ${settings.server.adminTokenFile}`,
    );
  if (errors.length > 0) return 1;

  if (flags.login !== undefined) {
    await probeLogin(settings, invocation);
    return 0;
  }
  const checked = `settings (${file ?? "no file: using defaults"})`;
  if (folder === undefined) {
    terminal.say(`${checked} are fine; logins are checked by ${described(settings)}`);
    return 0;
  }
  const { length } = folder.users;
  const disabled = folder.users.filter(({ enabled }) => !enabled).map(({ name }) => name);
  terminal.say(
    `${checked} and ${length} ${length === 1 ? "user" : "users"}${describeDisabled(disabled)} are fine`,
  );
  if (!folder.users.some((user) => user.enabled))
    terminal.hint(`no users yet, so nobody can broadcast: ${userAdd}`);
  return 0;
}

/** So many of the disabled users are named. */
const maxDisabledNamed = 10;

function describeDisabled(names: readonly string[]): string {
  if (names.length === 0) return "";
  const shown = names.slice(0, maxDisabledNamed);
  const more = names.length - shown.length;
  return ` (disabled: ${shown.join(", ")}${more === 0 ? "" : ` and ${more} more`})`;
}

function failed(problem: string): FstreamError {
  return new FstreamError("failed", problem);
}

const nobody: Folder = { users: [], problems: [], warnings: [], exposed: [] };

/** The users, or why the folder can't be read. */
async function examineUsers({ fstream }: Settings): Promise<Folder | FstreamError> {
  try {
    return await readUsers(fstream.usersDir);
  } catch (error) {
    if (!(error instanceof FstreamError)) throw error;
    return error;
  }
}

/** What keeps the authenticator from being asked. */
async function authenticatorProblems(settings: Settings): Promise<readonly FstreamError[]> {
  try {
    (await openAuthenticator(settings, stderrLog({ logLevel: "info" }, say))).stop?.();
    return [];
  } catch (error) {
    if (!(error instanceof FstreamError)) throw error;
    return [error];
  }
}

/** What is wrong with the admin token's file, and whether others can read it. */
async function examineAdminToken({ server: { adminTokenFile } }: Settings): Promise<{
  readonly error?: FstreamError;
  readonly isExposed: boolean;
}> {
  if (adminTokenFile === undefined) return { isExposed: false };
  const token = new AdminToken(adminTokenFile);
  const isExposed = await token.isExposed();
  try {
    await token.read();
    return { isExposed };
  } catch (error) {
    if (!(error instanceof FstreamError)) throw error;
    return { error, isExposed };
  }
}

/** What is wrong with the files that the settings name. */
async function fileProblems({
  server: { tlsCert, tlsKey },
}: Settings): Promise<readonly { readonly setting: string; readonly problem: string }[]> {
  if (tlsCert === undefined || tlsKey === undefined) return [];
  const reading = await readKeyPair(tlsCert, tlsKey);
  if ("problems" in reading)
    // Each begins with the setting that it is about.
    return reading.problems.map((problem) => ({ setting: problem.split(/[: ]/, 1)[0], problem }));
  const problem = validityProblem(reading.pair, Date.now());
  return problem === undefined
    ? []
    : [{ setting: "tls_cert", problem: `tls_cert: ${tlsCert} ${problem.replace(/^it /, "")}` }];
}
