// A certificate and its key from two files.

import { afterAll, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readKeyPair } from "../src/keypair.ts";
import { namedCertificate } from "../src/server/certificate.ts";
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
      validTo: expect.stringMatching(/GMT$/),
      validToMs: expect.any(Number),
    },
  });
});

test("all that is wrong with the files is reported, by the settings' names", async () => {
  const [cert, key] = await files("rubbish", "rubbish");
  expect(await readKeyPair(cert, key)).toEqual({
    problems: [
      expect.stringContaining(`tls_cert: ${cert} holds no PEM certificate`),
      expect.stringContaining(`tls_key: ${key} holds no PEM key`),
    ],
  });
});

test("a server does not start with a key that is not the certificate's", async () => {
  const paths = await files(loopback.cert, elsewhere.key);
  expect(await namedCertificate(...paths).catch((error: unknown) => error)).toMatchObject({
    code: "failed",
    message: "tls_key is not the key of tls_cert",
  });
});
