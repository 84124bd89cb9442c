// Certificates for tests, made anew for each run: self-signed for loopback and for another name, one that has
// expired, one that will be valid in a day, and one issued by an unknown authority.

import { X509Certificate } from "node:crypto";
import { generate } from "selfsigned";

export interface Certificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
  /** Of the DER, lower-case hex. */
  readonly sha256: string;
}

const day = 24 * 3600 * 1000;

async function make(options: Parameters<typeof generate>[1], name = "fstream"): Promise<Certificate> {
  const made = await generate([{ name: "commonName", value: name }], { keyType: "ec", ...options });
  const sha256 = new X509Certificate(made.cert).fingerprint256.replaceAll(":", "").toLowerCase();
  return { cert: made.cert, key: made.private, sha256 };
}

const names = (...altNames: { type: 2 | 7; value?: string; ip?: string }[]) => [
  { name: "subjectAltName" as const, altNames },
];

const loopback = await make({
  extensions: names({ type: 2, value: "localhost" }, { type: 7, ip: "127.0.0.1" }),
});
const elsewhere = await make({ extensions: names({ type: 2, value: "elsewhere.example" }) });
const expired = await make({
  notBeforeDate: new Date(Date.now() - 10 * day),
  notAfterDate: new Date(Date.now() - day),
  extensions: names({ type: 2, value: "localhost" }),
});
const future = await make({
  notBeforeDate: new Date(Date.now() + day),
  extensions: names({ type: 2, value: "localhost" }),
});
const authority = await make({}, "authority");
const issued = await make(
  {
    ca: { key: authority.key, cert: authority.cert },
    extensions: names({ type: 2, value: "localhost" }, { type: 7, ip: "127.0.0.1" }),
  },
  "issued",
);

export const certificates = { loopback, elsewhere, expired, future, issued };
