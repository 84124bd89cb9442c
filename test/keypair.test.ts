// A certificate and its key from two files.

import { afterAll, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keyPairOf, readKeyPair, validityProblem } from "../src/keypair.ts";
import { certificates } from "./certificates.ts";

const folder = await mkdtemp(join(tmpdir(), "fstream-keypair-"));
afterAll(() => rm(folder, { recursive: true }));

async function files(cert: string, key: string): Promise<[string, string]> {
  const paths: [string, string] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  await Bun.write(paths[0], cert);
  await Bun.write(paths[1], key);
  return paths;
}

const { loopback, elsewhere } = certificates;

test("a pair is read with its fingerprint, in the form that clients take", async () => {
  const reading = await readKeyPair(...(await files(loopback.cert, loopback.key)));
  expect(reading).toEqual({
    pair: {
      cert: loopback.cert,
      key: loopback.key,
      fingerprint: new X509Certificate(loopback.cert).fingerprint256,
      validFromMs: Date.parse(new X509Certificate(loopback.cert).validFrom),
      validToMs: Date.parse(new X509Certificate(loopback.cert).validTo),
    },
  });
});

test("all that is wrong with the files is reported, by the settings' names", async () => {
  const [cert, key] = await files("rubbish", "rubbish");
  expect(await readKeyPair(cert, key)).toEqual({
    problems: [
      expect.stringContaining(`tls_cert: ${cert} is not a PEM certificate`),
      expect.stringContaining(`tls_key: ${key} is not a PEM key`),
    ],
  });
});

test("a key that is not the certificate's is reported", async () => {
  expect(await readKeyPair(...(await files(loopback.cert, elsewhere.key)))).toEqual({
    problems: ["tls_key does not match tls_cert"],
  });
});

test.each([
  ["a certificate", loopback.cert.slice(0, loopback.cert.length / 2), "is not a PEM certificate"],
  ["a chain", `${loopback.cert}\n${elsewhere.cert.slice(0, 300)}`, "can't be used for TLS: "],
])("%s that is cut off is reported", async (_, cert, reason) => {
  const paths = await files(cert, loopback.key);
  expect(await readKeyPair(...paths)).toEqual({
    problems: [expect.stringContaining(`tls_cert: ${paths[0]} ${reason}`)],
  });
});

test("a pair is valid from its first second to its last", () => {
  const pair = keyPairOf(loopback.cert, loopback.key);
  const { validFromMs, validToMs } = pair;
  for (const nowMs of [validFromMs, validToMs]) expect(validityProblem(pair, nowMs)).toBeUndefined();
  expect(validityProblem(pair, validFromMs - 1)).toMatch(/^it is not valid before 20\S+ \S+ UTC$/);
  expect(validityProblem(pair, validToMs + 1)).toMatch(/^it expired on 20\S+ \S+ UTC$/);
});
