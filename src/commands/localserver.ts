// The server on this machine, as its settings describe it: where it takes HTTP, and the certificate that it shows there, which
// is trusted as it is: who can read the server's own files needs no other proof.

import { X509Certificate } from "node:crypto";
import type { Address } from "../client/address.ts";
import type { Trust } from "../client/trust.ts";
import { FstreamError } from "../errors.ts";
import { readRegularFile } from "../file.ts";
import { maxPemBytes, selfSignedFile } from "../keypair.ts";
import type { ListenAddress } from "../settings/address.ts";
import { defaultFile } from "../settings/find.ts";
import { examineSettings, type Settings } from "../settings/load.ts";
import type { Invocation } from "./command.ts";
import { sourcesOf } from "./settingsfile.ts";

export interface LocalServer {
  readonly address: Address;
  /** Undefined where its certificate can't be read. */
  readonly trust: Trust | undefined;
  /** The file with its admin token, where it takes one (`admin_token_file`). */
  readonly adminTokenFile: string | undefined;
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
    return { address: addressOf("https", httpsListen, name), trust: await pinned(settings), adminTokenFile };
  if (httpListen !== undefined)
    return { address: addressOf("http", httpListen, name), trust: undefined, adminTokenFile: undefined };
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
