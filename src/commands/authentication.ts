// The authenticator that the settings name, made ready.

import type { Authenticator } from "../auth/authenticator.ts";
import { CommandAsker } from "../auth/commandasker.ts";
import { FolderAuthenticator } from "../auth/folderauthenticator.ts";
import { HttpAsker } from "../auth/httpasker.ts";
import { ModuleAsker } from "../auth/moduleasker.ts";
import { type Asker, OutsideAuthenticator } from "../auth/outsideauthenticator.ts";
import type { Log } from "../log.ts";
import type { Settings } from "../settings/load.ts";

/**
 * The settings' authenticator. `pressureOf` an address decides which logins are dropped when there are too many (throttle.ts).
 * Rejects with FstreamError `failed` if it can't be used.
 */
export async function openAuthenticator(
  settings: Settings,
  log: Log,
  pressureOf?: (address: string) => () => number,
): Promise<Authenticator> {
  const pressure = pressureOf === undefined ? {} : { pressureOf };
  const asker = await openAsker(settings, log.scope("auth"));
  if (asker === undefined)
    return new FolderAuthenticator({
      folder: settings.fstream.usersDir,
      log: log.scope("users"),
      ...pressure,
    });
  return new OutsideAuthenticator({ asker, log: log.scope("auth"), ...settings.auth, ...pressure });
}

async function openAsker({ auth }: Settings, log: Log): Promise<Asker | undefined> {
  const { authenticator, module = "", command, url = "" } = auth;
  switch (authenticator) {
    case "users":
      return undefined;
    case "module":
      return await ModuleAsker.load({ path: module, log, timeoutMs: auth.timeoutMs });
    case "command":
      return new CommandAsker(command, log);
    case "http":
      return new HttpAsker(url);
    default:
      return authenticator satisfies never;
  }
}

/** What decides about logins, for a message. */
export function described({ auth, fstream }: Settings): string {
  const { authenticator, module, command, url } = auth;
  switch (authenticator) {
    case "users":
      return `the users folder ${fstream.usersDir}`;
    case "module":
      return `the module ${module}`;
    case "command":
      return `the program ${command.join(" ")}`;
    case "http":
      return `the service at ${url === undefined ? "" : new URL(url).host}`;
    default:
      return authenticator satisfies never;
  }
}
