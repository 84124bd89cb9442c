// Whether the server could keep in `state_dir` what it has to: its self-signed certificate. Nothing is left there.

import { mkdtemp, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FstreamError, reasonOf } from "../errors.ts";
import { selfSignedFile } from "../keypair.ts";
import type { Settings } from "../settings/load.ts";

/** What is wrong with the folder, or may be. */
export interface StateFolder {
  readonly error?: FstreamError;
  readonly warning?: string;
}

/** A folder that only another user may write to is a warning: the server may run as that user. */
export async function examineStateFolder({ server }: Settings): Promise<StateFolder> {
  const { stateDir, tlsCert, tlsListen, httpsListen } = server;
  const isNeeded = tlsCert === undefined && (tlsListen ?? httpsListen) !== undefined;
  if (!isNeeded || (await isThere(selfSignedFile(stateDir)))) return {};
  try {
    const folder = await existing(stateDir);
    await rmdir(await mkdtemp(join(folder, ".fstream-check-")));
    return {};
  } catch (cause) {
    const message = `the state folder ${stateDir} can't be written: ${reasonOf(cause)}`;
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM")
      return { warning: `${message} (as the user who runs this check)` };
    return {
      error: new FstreamError("failed", message, {
        hint: "set state_dir to a folder for the server's own files",
      }),
    };
  }
}

/** The folder itself, or the nearest one above it that is there: the server makes the rest. */
async function existing(folder: string): Promise<string> {
  for (let at = folder; ; at = dirname(at)) if ((await isThere(at)) || at === dirname(at)) return at;
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
