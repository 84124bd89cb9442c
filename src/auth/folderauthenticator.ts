// The authenticator "users": NAME.toml or NAME.ini in the users folder lets NAME in (userfile.ts says what stands in it). The
// folder is looked at for each login, so that adding a user needs no restart.
//
// A name from outside never becomes part of a path: it is looked for among the folder's entries, character by
// character, which also settles case-blind disks and Unicode's normal forms. And it does not show in the time
// a login takes whether there is such a user: for an unknown one another's file is read and its
// password compared, always the same one for the same name.

import { createHmac, randomBytes } from "node:crypto";
import { FstreamError, named, reasonOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { type Authenticator, type AuthRequest, type Grant, loginOf, mayBroadcast } from "./authenticator.ts";
import { type Files, Listing } from "./listing.ts";
import { loginMissing } from "./missing.ts";
import { networkOf } from "./network.ts";
import { Passwords } from "./password.ts";
import { problemText, type User } from "./userfile.ts";
import { findEntry, nameOf, readEntry } from "./userstore.ts";

/** Lets in the users that a folder has a file for. */
export class FolderAuthenticator implements Authenticator {
  readonly needsPassword = true;
  readonly #folder: string;
  readonly #listing: Listing;
  readonly #log: Log;
  readonly #passwords: Passwords;
  readonly #key = randomBytes(32);
  /** The folder in which there were files last. */
  #filled: string | undefined;

  /** `pressureOf` an address decides which logins are dropped when there are too many (throttle.ts). */
  constructor(options: { folder: string; log: Log; pressureOf?: (address: string) => () => number }) {
    this.#folder = options.folder;
    this.#listing = new Listing(options.folder);
    this.#log = options.log;
    this.#passwords = new Passwords(options.pressureOf);
  }

  async authenticate(request: AuthRequest): Promise<Grant> {
    const { action, password, address } = request;
    const name = loginOf(request);
    if (name === undefined || password === undefined) throw loginMissing(action);
    const user = await this.#logIn(name, password, address);
    const { channels, mayWatch } = user;
    return action === "watch" ? { user: user.name, channels, mayWatch } : { user: user.name, channels };
  }

  /** A file that can't be read, or that is just being written, is no reason; nor is a folder that has become another, empty one. */
  async revocation(name: string, channel: string): Promise<string | undefined> {
    let files: Files;
    try {
      files = await this.#list();
    } catch {
      return undefined; // each login logs that the folder can't be read
    }
    const entry = findEntry(this.#folder, files.set, name);
    if (files.list.length === 0 && files.folder !== this.#filled) return undefined;
    if (entry === undefined) return `user ${named(name)} was removed`;
    const file = await readEntry(entry);
    if ("problem" in file) return undefined;
    if (!file.user.enabled) return `user ${named(name)} was disabled`;
    if (mayBroadcast(file.user, channel)) return undefined;
    return `user ${named(name)} may no longer broadcast on channel ${named(channel)}`;
  }

  async #logIn(name: string, password: string, address: string): Promise<User> {
    const files = await this.#files();
    const user = await this.#find(name, files);
    const compared = user ?? (await this.#standIn(name, files));
    const right =
      compared !== undefined &&
      (await this.#passwords.matches(compared.secret, {
        password,
        lane: networkOf(address),
        remembers: user?.enabled === true,
      }));
    if (right && user?.enabled === false)
      this.#log.repeated(
        `user ${name}`,
        `${named(name)} can't log in: the user is disabled (enabled = false)`,
      );
    if (!right || user === undefined || !user.enabled)
      throw new FstreamError("unauthorized", "wrong user or password");
    return user;
  }

  async #files(): Promise<Files> {
    try {
      return await this.#list();
    } catch (cause) {
      this.#log.repeated("folder", `the users folder can't be read: ${reasonOf(cause)}`);
      throw new FstreamError("internal", "the server can't look up its users", { cause });
    }
  }

  async #list(): Promise<Files> {
    const files = await this.#listing.files();
    if (files.list.length > 0) this.#filled = files.folder;
    return files;
  }

  async #find(name: string, { set }: Files): Promise<User | undefined> {
    const entry = findEntry(this.#folder, set, name);
    if (entry === undefined) return undefined;
    const file = await readEntry(entry);
    if ("user" in file) return file.user;
    this.#log.repeated(`user ${name}`, `${named(name)} can't log in: ${problemText(file)}`);
    return undefined;
  }

  async #standIn(name: string, { set, list }: Files): Promise<User | undefined> {
    const number = createHmac("sha256", this.#key).update(name, "utf8").digest().readUInt32BE();
    const other = list.at(number % list.length);
    const entry = other === undefined ? undefined : findEntry(this.#folder, set, nameOf(other));
    if (entry === undefined) return undefined;
    const file = await readEntry(entry);
    return "user" in file ? file.user : undefined;
  }
}
