// Where the certificate of the TLS listeners comes from: the files that the settings name, or a self-signed pair that is made
// once in the state folder and pinned by its fingerprint. When it is read again is renewal.ts's to say.

import { randomBytes } from "node:crypto";
import { link, mkdir, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { generate } from "selfsigned";
import { FstreamError, reasonOf } from "../errors.ts";
import { isMissing, readRegularFile } from "../file.ts";
import { type KeyPair, keyPairOf, readKeyPair, selfSignedFile } from "../keypair.ts";

/** How long a self-signed pair lasts, years: clients pin it, and it is not renewed. */
const years = 10;
/** Far more than both PEM blocks of a self-signed pair. Bytes. */
const maxFileBytes = 64 * 1024;

/** Files that hold a pair. */
export interface CertificateSource {
  readonly files: readonly string[];
  /** Reads them. Rejects with FstreamError `failed` that says what is wrong. */
  read(): Promise<KeyPair>;
}

/** The two files that `tls_cert` and `tls_key` name. */
export function namedCertificate(certFile: string, keyFile: string): CertificateSource {
  return {
    files: [certFile, keyFile],
    read: async () => {
      const reading = await readKeyPair(certFile, keyFile);
      if ("pair" in reading) return reading.pair;
      throw new FstreamError("failed", reading.problems.join("; "));
    },
  };
}

/** The self-signed pair of a state folder, made if it is not there. Rejects with FstreamError `failed`. */
export async function ownCertificate(stateDir: string): Promise<CertificateSource> {
  const file = selfSignedFile(stateDir);
  const source = { files: [file], read: () => readOwn(file) };
  try {
    await makeFolder(stateDir);
    await readRegularFile(file, maxFileBytes).catch(async (error: unknown) => {
      if (!isMissing(error)) throw error;
      await makePair(file);
    });
  } catch (cause) {
    throw unusable(file, cause);
  }
  return source;
}

/** The folder, where it is not there yet. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    // What is there is something else: a folder would do.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new Error(`${path} is not a directory`, { cause: error });
  }
}

async function readOwn(file: string): Promise<KeyPair> {
  try {
    const pem = (await readRegularFile(file, maxFileBytes)).toString("utf8");
    const cert = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(pem)?.[0] ?? "";
    const key =
      /-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+-----END [A-Z ]*PRIVATE KEY-----/.exec(pem)?.[0] ?? "";
    return keyPairOf(cert, key);
  } catch (cause) {
    throw unusable(file, cause);
  }
}

function unusable(file: string, cause: unknown): FstreamError {
  return new FstreamError("failed", `can't save a certificate in ${file}: ${reasonOf(cause)}`, {
    hint: "set state_dir to a folder this user can write to, or set tls_cert and tls_key",
    cause,
  });
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
  try {
    await writeFile(draft, `${pair.private.trim()}\n${pair.cert.trim()}\n`, { mode: 0o600, flag: "wx" });
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(draft, { force: true });
  }
}
