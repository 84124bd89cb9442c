// The certificate that the TLS listeners show: the files that the settings name, or a self-signed pair that is made once
// in the state folder and pinned by its fingerprint.

import { createHash, randomBytes, X509Certificate } from "node:crypto";
import { link, mkdir, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { generate } from "selfsigned";
import { FstreamError } from "../errors.ts";
import { isMissing, readRegularFile } from "../file.ts";

export interface Certificate {
  /** PEM: the certificate, and its chain. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  /** SHA-256 of the leaf certificate's DER, hex with colons. */
  readonly fingerprint: string;
  readonly selfSigned: boolean;
}

/** How long a self-signed pair lasts, years: clients pin it, nobody renews it. */
const years = 10;

/** What is larger than this is no certificate with its chain, and no key. Bytes. */
const maxFileBytes = 1024 * 1024;

/** The pair in the two files. Throws FstreamError `failed` naming the file that is wrong, and why. */
export async function readCertificate(certFile: string, keyFile: string): Promise<Certificate> {
  const [cert, key] = [await readPem(certFile), await readPem(keyFile)];
  return { cert, key, fingerprint: fingerprintOf(cert, certFile), selfSigned: false };
}

/** The self-signed pair of a state folder, made if it is not there. Throws FstreamError `failed`. */
export async function ownCertificate(stateDir: string): Promise<Certificate> {
  const file = join(stateDir, "self-signed.pem");
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    const pem = await readPem(file).catch(async (error: unknown) => {
      if (!isMissing(error)) throw error;
      await makePair(file);
      return await readPem(file);
    });
    const cert = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(pem)?.[0] ?? "";
    const key =
      /-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+-----END [A-Z ]*PRIVATE KEY-----/.exec(pem)?.[0] ?? "";
    return { cert, key, fingerprint: fingerprintOf(cert, file), selfSigned: true };
  } catch (cause) {
    if (cause instanceof FstreamError) throw cause;
    throw new FstreamError("failed", `can't keep a certificate in ${stateDir}: ${(cause as Error).message}`, {
      hint: "set state_dir to a folder that this user can write, or tls_cert and tls_key",
      cause,
    });
  }
}

/** One file for both, put in place whole: two servers that start at once end up with the same pair. */
async function makePair(file: string): Promise<void> {
  const now = new Date();
  const name = hostname();
  const pair = await generate([{ name: "commonName", value: name.slice(0, 64) }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    // A day back, for clocks that are not quite right.
    notBeforeDate: new Date(now.getTime() - 24 * 3600 * 1000),
    notAfterDate: new Date(new Date(now).setFullYear(now.getFullYear() + years)),
    extensions: [
      { name: "basicConstraints", cA: false },
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: name },
          { type: 2, value: "localhost" },
          { type: 7, ip: "127.0.0.1" },
          { type: 7, ip: "::1" },
        ],
      },
    ],
  });
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  await writeFile(draft, `${pair.private.trim()}\n${pair.cert.trim()}\n`, { mode: 0o600, flag: "wx" });
  try {
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function readPem(file: string): Promise<string> {
  try {
    return (await readRegularFile(file, maxFileBytes)).toString("utf8");
  } catch (error) {
    if (!(error instanceof FstreamError)) throw error;
    throw new FstreamError("failed", `can't read ${file}: ${error.message}`, { cause: error.cause });
  }
}

function fingerprintOf(pem: string, file: string): string {
  try {
    const digest = createHash("sha256").update(new X509Certificate(pem).raw).digest("hex").toUpperCase();
    return (digest.match(/../g) ?? []).join(":");
  } catch (cause) {
    throw new FstreamError("failed", `${file} holds no PEM certificate`, { cause });
  }
}
