// Which certificates are trusted: the system's authorities', those of a file, one by its fingerprint, or any.
// A fingerprint stands in place of name, chain and expiry (servers that made their own certificate print
// it). dial.ts asks here in the handshake, before a byte of a request is sent.

import type { PeerCertificate } from "node:tls";
import { FstreamError } from "../errors.ts";
import { usualPorts } from "./firstreply.ts";

export type Trust =
  | { readonly type: "system" }
  /** PEM text of certificates that may sign. */
  | { readonly type: "authorities"; readonly pem: string }
  /** SHA-256 of the leaf certificate's DER, 64 lower-case hex digits. */
  | { readonly type: "fingerprint"; readonly sha256: string }
  | { readonly type: "insecure" };

/** What a TLS handshake showed. */
export interface Presented {
  /** Whether chain, name and time are right, as the TLS library sees it. */
  readonly authorized: boolean;
  /** Why not. */
  readonly reason: string;
  /** Absent if the handshake did not get that far. */
  readonly certificate: PeerCertificate | undefined;
}

/** A fingerprint as people copy it: hex digits of any case, with colons or without. Throws `usage`. */
export function parseFingerprint(text: string): string {
  const sha256 = text
    .replace(/^sha256:/i, "")
    .replaceAll(":", "")
    .toLowerCase();
  if (/^[0-9a-f]{64}$/.test(sha256)) return sha256;
  throw new FstreamError(
    "usage",
    "a fingerprint must be the 64 hex digits of a SHA-256 hash, with or without colons",
  );
}

/** Hex digits as servers print a fingerprint: upper case, a colon between the bytes. */
function formatFingerprint(sha256: string): string {
  return sha256.toUpperCase().replace(/..(?=.)/g, "$&:");
}

/** The options for the TLS library. Where it rejects nothing, `verifyPeer` decides. */
export function tlsOptions(trust: Trust): { ca?: string; rejectUnauthorized: boolean } {
  switch (trust.type) {
    case "system":
      return { rejectUnauthorized: true };
    case "authorities":
      return { ca: trust.pem, rejectUnauthorized: true };
    case "fingerprint":
    case "insecure":
      return { rejectUnauthorized: false };
    default:
      return trust satisfies never;
  }
}

/** Why the peer at `place` is not to be talked to; undefined if it may be. `hint` is for one that does not speak TLS. */
export function verifyPeer(
  trust: Trust,
  presented: Presented,
  place: string,
  hint = usualPorts,
): FstreamError | undefined {
  const der = presented.certificate?.raw;
  if (der === undefined || der.length === 0) {
    // Of the library's errors this one is of a server that answers in another protocol.
    if (presented.reason.includes("WRONG_VERSION_NUMBER"))
      return new FstreamError("failed", `${place} does not speak TLS`, { hint });
    const message = `TLS handshake with ${place} failed: ${presented.reason || "no certificate"}`;
    return new FstreamError("disconnected", message, { hint: usualPorts });
  }
  const sha256 = new Bun.CryptoHasher("sha256").update(der).digest("hex");
  switch (trust.type) {
    case "insecure":
      return undefined;
    case "fingerprint":
      if (sha256 === trust.sha256) return undefined;
      return new FstreamError(
        "failed",
        `the certificate of ${place} has a different fingerprint: ${formatFingerprint(sha256)}`,
        {
          hint: "the certificate was replaced, or the connection is intercepted: ask the server's operator",
        },
      );
    case "system":
    case "authorities":
      if (presented.authorized) return undefined;
      return new FstreamError("failed", `the certificate of ${place} is not trusted: ${presented.reason}`, {
        hint: `if the server printed this fingerprint, trust it with --fingerprint ${formatFingerprint(sha256)}`,
      });
    default:
      return trust satisfies never;
  }
}
