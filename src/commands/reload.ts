// What SIGHUP does to a server: its settings are read anew, and those that can change while it runs are taken up; its certificate
// and its authenticator read their files anew. Each of the three that can't be used stays as it was, and the log says why.

import { AdminToken } from "../auth/admintoken.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import type { CurrentAuthenticator } from "../auth/currentauthenticator.ts";
import { readUsers } from "../auth/userstore.ts";
import { FstreamError } from "../errors.ts";
import type { Log } from "../log.ts";
import { type Change, describeChange, settingsDifference, withChanges } from "../settings/difference.ts";
import { type Settings, type Sources, summary } from "../settings/load.ts";
import { type Options, takeUp } from "../settings/options.ts";
import { described } from "./authentication.ts";

export interface Reloaded {
  /** What the server was started with. */
  readonly settings: Settings;
  readonly sources: Sources;
  /** What it runs with. */
  readonly options: Options;
  readonly authenticator: CurrentAuthenticator;
  /** Makes the authenticator of other settings. Rejects with FstreamError. */
  readonly open: (settings: Settings) => Promise<Authenticator>;
  /** See Server. */
  readonly server: { reload(): Promise<void> };
  readonly log: Log;
  /** Called when a reload begins, and when it is over. */
  readonly notifier?: { reloading(): void; reloaded(): void };
}

/** Whether it is one that another authenticator has to be made ready for. */
function isAboutLogins({ row: { section, property } }: Change): boolean {
  return (section === "auth" && property !== "authenticateWatchers") || property === "usersDir";
}

function isAdminToken({ row }: Change): boolean {
  return row.property === "adminTokenFile";
}

/** Whether another value has to be tried before it is taken up. */
function isTried(change: Change): boolean {
  return isAboutLogins(change) || isAdminToken(change);
}

async function testAdminToken({ server }: Settings): Promise<void> {
  if (server.adminTokenFile !== undefined) await new AdminToken(server.adminTokenFile).read();
}

export class Reload {
  readonly #of: Reloaded;
  #settings: Settings;
  #running: Promise<void> = Promise.resolve();
  /** One that has not begun. */
  #next: Promise<void> | undefined;

  constructor(of: Reloaded) {
    this.#of = of;
    this.#settings = of.settings;
  }

  /**
   * Reloads, once the one before is done; one that is about to begin will do for all that asked. Says in the log what came of it, and
   * never rejects.
   */
  run(): Promise<void> {
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      return this.#begin();
    });
    this.#running = this.#next;
    return this.#next;
  }

  async #begin(): Promise<void> {
    const { log, notifier } = this.#of;
    notifier?.reloading();
    log.info("SIGHUP: reloading");
    try {
      await this.#reload();
    } catch (error) {
      log.error(`a bug in fstream: ${(error as Error).stack ?? String(error)}`);
    }
    notifier?.reloaded();
  }

  async #reload(): Promise<void> {
    const { server, sources, log } = this.#of;
    const { live, restart, problems, renamed } = await settingsDifference(this.#settings, sources);
    const tried = [
      ...(await this.#try(live.filter(isAdminToken), testAdminToken)),
      ...(await this.#openAuthenticator(live.filter(isAboutLogins))),
    ];
    const taken = live.filter((change) => tried.includes(change) || !isTried(change));
    if (taken.length > 0) this.#takeUp(taken);
    for (const line of renamed) log.warn(line);
    if (restart.length > 0) log.warn(`these changes need a restart: ${names(restart)}`);
    if (problems.length > 0)
      log.error(`reload failed, nothing changed: ${summary(problems, new Set(), sources)}`);
    else if (live.length + restart.length === 0) log.info("no settings have changed");
    await server.reload();
  }

  #takeUp(changes: readonly Change[]): void {
    const { options, log } = this.#of;
    const say = () => log.info(`reloaded: ${changes.map(describeChange).join(", ")}`);
    // Seen if either level lets it be.
    const isSeenBefore = options.logLevel === "debug" || options.logLevel === "info";
    if (isSeenBefore) say();
    this.#settings = withChanges(this.#settings, changes);
    takeUp(options, this.#settings);
    if (!isSeenBefore) say();
  }

  /** Another authenticator, if one is asked for; else the one that is on reads its files anew. Gives what is taken up. */
  async #openAuthenticator(changes: readonly Change[]): Promise<readonly Change[]> {
    const { authenticator, open, log } = this.#of;
    if (changes.length === 0) {
      await this.#try(changes, () => authenticator.reload());
      return [];
    }
    return await this.#try(changes, async (settings) => {
      // At the start a folder that is not there is a warning; here there is one that is.
      if (settings.auth.authenticator === "users") await readUsers(settings.fstream.usersDir);
      authenticator.replace(await open(settings));
      log.info(`logins are checked by ${described(settings)}`);
    });
  }

  /** Does what `changes` are good for, and gives those: none of them if it can't be done. */
  async #try(
    changes: readonly Change[],
    act: (settings: Settings) => Promise<void>,
  ): Promise<readonly Change[]> {
    try {
      await act(withChanges(this.#settings, changes));
      return changes;
    } catch (error) {
      if (!(error instanceof FstreamError)) throw error;
      const stays = changes.length === 0 ? "the previous one stays in use" : `not changed: ${names(changes)}`;
      this.#of.log.error(`${error.message}: ${stays}`);
      return [];
    }
  }
}

function names(changes: readonly Change[]): string {
  return changes.map(({ row }) => row.setting.name).join(", ");
}
