// `fstream check --login`: what the settings' authenticator answers to a login, and how long that takes.

import { type AuthRequest, mayBroadcast, mayWatch } from "../auth/authenticator.ts";
import { problemText } from "../auth/userfile.ts";
import { findEntry, listFiles, readEntry } from "../auth/userstore.ts";
import { asFstreamError, channelLabel, FstreamError, named } from "../errors.ts";
import { stderrLog } from "../log.ts";
import { defaultChannel } from "../protocol/keys.ts";
import type { Settings } from "../settings/load.ts";
import { openAuthenticator } from "./authentication.ts";
import type { Invocation } from "./command.ts";
import { askSecrets, readSecretFile, readSecretLine } from "./secret.ts";
import { say } from "./stderr.ts";

/** Asks for the password, and then the authenticator; says what it answers. Gives the exit status that a client would have. */
export async function probeLogin(settings: Settings, invocation: Invocation): Promise<void> {
  const { flags, terminal } = invocation;
  const name = String(flags.login);
  const password = await passwordOf(invocation, name);
  if (password === "" && settings.auth.authenticator === "users")
    throw new FstreamError("unauthorized", `${named(name)} was refused: no password was given`, {
      hint: "type it, pipe it in, or name a file with --password-file",
    });
  const request = requestOf(flags, name, password);
  const isFolder = settings.auth.authenticator === "users";
  // Why a user of the folder is refused is said in the refusal.
  const log = stderrLog({ logLevel: isFolder ? "error" : "info" }, say);
  const authenticator = await openAuthenticator(settings, log);
  const sinceMs = performance.now();
  const took = () => `(${Math.round(performance.now() - sinceMs)} ms)`;
  try {
    const grant = await authenticator.authenticate(request).catch(async (error: unknown) => {
      const why = isFolder ? await folderRefusal(settings.fstream.usersDir, name) : undefined;
      const { code, message } = asFstreamError(error);
      throw why === undefined || code !== "unauthorized"
        ? error
        : new FstreamError(code, message, { cause: why });
    });
    const { action, user, channel = defaultChannel } = request;
    if (action === "watch") {
      if (!mayWatch(grant, user, channel))
        throw new FstreamError("unauthorized", `${named(name)} may not watch this channel`);
      return terminal.say(`${named(name)} may watch ${channelLabel(user, channel)} ${took()}`);
    }
    if (flags.channel !== undefined && !mayBroadcast(grant, channel))
      throw new FstreamError("forbidden", `${named(name)} may not broadcast on channel ${named(channel)}`);
    if (grant.channels?.length === 0)
      throw new FstreamError("forbidden", `${named(name)} may not broadcast on any channel`);
    const channels = flags.channel === undefined ? (grant.channels?.join(", ") ?? "every channel") : channel;
    terminal.say(`${named(name)} may broadcast on ${channels} ${took()}`);
  } catch (thrown) {
    const { code, message, cause } = asFstreamError(thrown);
    if (cause instanceof FstreamError && (code === "unauthorized" || code === "forbidden"))
      terminal.say(`the reason (not shown to clients): ${cause.message}`);
    const what = message.startsWith(named(name)) ? message : `${named(name)} was refused: ${message}`;
    const hint = cause instanceof FstreamError && cause.hint !== undefined ? { hint: cause.hint } : {};
    throw new FstreamError(code, `${what} ${took()}`, hint);
  } finally {
    authenticator.stop?.();
  }
}

/** Why the users folder refuses `name`: this is shown to those only who can read the folder. */
async function folderRefusal(folder: string, name: string): Promise<FstreamError> {
  const entry = findEntry(folder, await listFiles(folder), name);
  if (entry === undefined)
    return new FstreamError("failed", `no user ${named(name)} in ${folder}`, {
      hint: "`fstream user list` lists them",
    });
  const paths = entry.files.map(({ path }) => path).join(", ");
  const file = await readEntry(entry);
  if ("problem" in file) return new FstreamError("failed", `${paths}: ${problemText(file)}`);
  if (!file.user.enabled)
    return new FstreamError("failed", `the user is disabled (enabled = false in ${paths})`);
  return new FstreamError("failed", "the password is wrong", {
    hint: `\`fstream user passwd ${named(name)}\` changes it`,
  });
}

async function passwordOf({ flags, cwd }: Invocation, name: string): Promise<string> {
  if (flags["password-file"] !== undefined) return await readSecretFile(String(flags["password-file"]), cwd);
  if (!process.stdin.isTTY) return await readSecretLine();
  const [password] = await askSecrets([`Password for ${name}: `]);
  return password;
}

function requestOf(flags: Invocation["flags"], name: string, password: string): AuthRequest {
  const channel = flags.channel === undefined ? defaultChannel : String(flags.channel);
  const common = {
    channel,
    ...(password === "" ? {} : { password }),
    address: "127.0.0.1",
    protocol: "fstreams" as const,
    id: crypto.randomUUID(),
  };
  if (flags.watch === undefined) return { action: "broadcast", user: name, ...common };
  return { action: "watch", user: String(flags.watch), watcher: name, ...common };
}
