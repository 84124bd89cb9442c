// The server on this machine, as its settings describe it: where it takes HTTP, and the certificate that it shows there, which
// is trusted as it is: who can read the server's own files needs no other proof.

import { X509Certificate } from "node:crypto";
import type { Address } from "../client/address.ts";
import type { Trust } from "../client/trust.ts";
import { FstreamError } from "../errors.ts";
import { readRegularFile } from "../file.ts";
import { maxPemBytes, selfSignedFile } from "../keypair.ts";
import type { ListenAddress } from "../settings/address.ts";
import { defaultFile, defaultPlaces } from "../settings/find.ts";
import { examineSettings, type Settings } from "../settings/load.ts";
import type { Invocation } from "./command.ts";
import { sourcesOf } from "./settingsfile.ts";

export interface LocalServer {
  readonly address: Address;
  /** Undefined where its certificate can't be read. */
  readonly trust: Trust | undefined;
  /** The file with its admin token, where it takes one (`admin_token_file`). */
  readonly adminTokenFile: string | undefined;
  /** Where its settings are; undefined: no file was found, so they are the defaults. */
  readonly settingsFile: string | undefined;
}

/** Its `https_listen`, else its `http_listen`. Rejects with FstreamError `usage` if it has neither. */
export async function localServer(invocation: Invocation): Promise<LocalServer> {
  const sources = sourcesOf(invocation);
  // What is wrong with them is for `fstream check` to say; only a file that was named has to be there.
  const { settings, file: found, problems } = await examineSettings(sources);
  if (sources.file !== undefined && found === undefined) throw new FstreamError("failed", problems[0]);
  const { httpsListen, httpListen, adminTokenFile } = settings.server;
  const name = found ?? defaultFile;
  if (httpsListen !== undefined)
    return {
      address: addressOf("https", httpsListen, name),
      trust: await pinned(settings),
      adminTokenFile,
      settingsFile: found,
    };
  if (httpListen !== undefined)
    return {
      address: addressOf("http", httpListen, name),
      trust: undefined,
      adminTokenFile: undefined,
      settingsFile: found,
    };
  throw new FstreamError("usage", `neither https_listen nor http_listen is set in ${name}`);
}

function addressOf(scheme: "https" | "http", { host, port }: ListenAddress, file: string): Address {
  if (port === 0) {
    throw new FstreamError("usage", `${scheme}_listen in ${file} has no fixed port`, {
      hint: `give the address: fstream ${scheme}://localhost:PORT status`,
    });
  }
  const isAny = host === "" || host === "0.0.0.0" || host === "::";
  return { scheme, host: isAny ? "localhost" : host, port };
}

async function pinned({ server }: Settings): Promise<Trust | undefined> {
  try {
    const pem = await readRegularFile(server.tlsCert ?? selfSignedFile(server.stateDir), maxPemBytes);
    const sha256 = new X509Certificate(pem).fingerprint256.replaceAll(":", "").toLowerCase();
    return { type: "fingerprint", sha256 };
  } catch {
    return undefined; // it may be for the server's user alone; the system's authorities may do
  }
}

/**
 * `error` of asking the server on this machine, with a hint for one that runs with other settings than those that were found here: it may
 * have been started with flags, or in another folder.
 */
export function aboutLocal(error: FstreamError, settingsFile: string | undefined): FstreamError {
  const hint = localHint(error, settingsFile);
  return hint === undefined
    ? error
    : new FstreamError(error.code, error.message, { hint, cause: error.cause });
}

function localHint({ code, message }: FstreamError, settingsFile: string | undefined): string | undefined {
  if (code === "disconnected") {
    const why =
      settingsFile === undefined
        ? `this is the default address, as no settings file was found (${defaultPlaces})`
        : `this is the address in ${settingsFile}`;
    return `${why}; if the server uses other settings, run fstream https://localhost:PORT status, or give --config FILE`;
  }
  // It was compared with the one in these settings' folder.
  if (/has a different fingerprint/.test(message))
    return "this server was started in another folder or with other settings: run status there, or give --config FILE";
  return undefined;
}
