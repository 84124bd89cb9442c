// Which settings file there is, where the command line names none: fstream.toml of the working folder, else that of an installed
// server, which lies where the system's settings do.

import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";

/** Its name in the working folder. */
export const defaultFile = "fstream.toml";

/** For help texts. */
export const defaultPlaces = "./fstream.toml, else /etc/fstream/fstream.toml";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Where an installed server's is: in the first of $CONFIGURATION_DIRECTORY (systemd.exec(5)), else in /etc/fstream, on Windows in
 * %PROGRAMDATA%\fstream. Undefined: nowhere.
 */
export function systemFile(environment: Environment, platform = process.platform): string | undefined {
  const given = environment.CONFIGURATION_DIRECTORY?.split(":")[0];
  if (platform === "win32") {
    const { PROGRAMDATA } = environment;
    return PROGRAMDATA === undefined ? undefined : join(PROGRAMDATA, "fstream", defaultFile);
  }
  return join(given || "/etc/fstream", defaultFile);
}

export interface Place {
  /** As people know it, for messages. */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
}

/** The file to read, which need not be there: `system` where the working folder has none. */
export async function findFile(
  file: string | undefined,
  cwd: string,
  system: string | undefined,
): Promise<Place> {
  const first = { name: file ?? defaultFile, path: resolve(cwd, file ?? defaultFile) };
  if (file !== undefined || system === undefined || (await isThere(first.path))) return first;
  return (await isThere(system)) ? { name: system, path: system } : first;
}

/** Whether there is something; what can't be known is for whoever reads it to say. */
function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: unknown) => (error as NodeJS.ErrnoException).code !== "ENOENT",
  );
}

/** What has another command read the same settings file: " --config FILE" as it is typed into a shell; "" where none was named. */
export function configOption(file: string | undefined): string {
  return file === undefined ? "" : ` --config ${shellWord(file)}`;
}

/** `text` as one word of a shell. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./\\-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
