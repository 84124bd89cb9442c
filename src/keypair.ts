// A certificate with its key, as two PEM files: what the TLS listeners show, and what `fstream check` looks at.

import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import { FstreamError } from "./errors.ts";
import { readRegularFile } from "./file.ts";

/** What is larger than this is neither a certificate with its chain nor a key. Bytes. */
export const maxPemBytes = 1024 * 1024;

/** The file of the pair that a server makes for itself. */
export function selfSignedFile(stateDir: string): string {
  return join(stateDir, "self-signed.pem");
}

export interface KeyPair {
  /** PEM: the certificate, and its chain. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  /** SHA-256 of the leaf certificate's DER, hex with colons. */
  readonly fingerprint: string;
  /** From when and until when the leaf certificate is valid, milliseconds since 1970. */
  readonly validFromMs: number;
  readonly validToMs: number;
}

/** A pair, or what is wrong with its files: one line each, beginning with the setting. */
export type KeyPairReading = { readonly pair: KeyPair } | { readonly problems: readonly string[] };

/** Reads the files that `tls_cert` and `tls_key` name. */
export async function readKeyPair(certFile: string, keyFile: string): Promise<KeyPairReading> {
  const problems: string[] = [];
  const take = async <T>(file: string, setting: string, what: string, parse: (pem: string) => T) => {
    try {
      const pem = (await readRegularFile(file, maxPemBytes)).toString("utf8");
      return { pem, parsed: parse(pem) };
    } catch (error) {
      problems.push(`${setting}: ${file} ${faultOf(error as Error, what)}`);
      return undefined;
    }
  };
  const cert = await take(certFile, "tls_cert", "certificate", (pem) => new X509Certificate(pem));
  const key = await take(keyFile, "tls_key", "key", (pem) => createPrivateKey(pem));
  if (cert === undefined || key === undefined) return { problems };
  if (!cert.parsed.checkPrivateKey(key.parsed)) return { problems: ["tls_key does not match tls_cert"] };
  try {
    return { pair: keyPairOf(cert.pem, key.pem) };
  } catch (error) {
    // The chain behind the certificate, most likely: one that is cut off, or was edited.
    return { problems: [`tls_cert: ${certFile} can't be used for TLS: ${(error as Error).message}`] };
  }
}

/** What is wrong with a file. What OpenSSL says of it helps nobody, but for one thing. */
function faultOf(error: Error, what: string): string {
  if (error instanceof FstreamError) return `can't be read: ${error.message}`;
  if (/passphrase/i.test(error.message)) return "has a passphrase, which the server can't ask for";
  return `is not a PEM ${what}`;
}

/** The pair of a certificate and its key, both PEM, that TLS can use. Throws what node:crypto and node:tls throw if it can't. */
export function keyPairOf(cert: string, key: string): KeyPair {
  const leaf = new X509Certificate(cert);
  createSecureContext({ cert, key });
  const digest = createHash("sha256").update(leaf.raw).digest("hex").toUpperCase();
  const fingerprint = (digest.match(/../g) ?? []).join(":");
  const validFromMs = Date.parse(leaf.validFrom);
  return { cert, key, fingerprint, validFromMs, validToMs: Date.parse(leaf.validTo) };
}

/** Why clients will not accept the pair at `nowMs` (since 1970); undefined if they may. */
export function validityProblem({ validFromMs, validToMs }: KeyPair, nowMs: number): string | undefined {
  if (nowMs > validToMs) return `it expired on ${dateOf(validToMs)}`;
  if (nowMs < validFromMs) return `it is not valid before ${dateOf(validFromMs)}`;
  return undefined;
}

/** A time as messages have it: to the second, in UTC. */
export function dateOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
