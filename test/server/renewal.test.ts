// A certificate that is renewed while the server runs: when its files are read again, and what is refused.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, rename, rm, symlink, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keyPairOf } from "../../src/keypair.ts";
import { createLog } from "../../src/log.ts";
import { namedCertificate, ownCertificate } from "../../src/server/certificate.ts";
import { Renewal } from "../../src/server/renewal.ts";
import { type Certificate, certificates } from "../certificates.ts";
import { FakeClock } from "../relay/clock.ts";

const { loopback, elsewhere, expired, future } = certificates;

let folder: string;
let cert: string;
let key: string;
let lines: string[];
let wallMs: number;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fstream-renewal-"));
  cert = join(folder, "cert.pem");
  key = join(folder, "key.pem");
  lines = [];
  wallMs = Date.now();
});
afterEach(() => rm(folder, { recursive: true }));

async function put(pair: Pick<Certificate, "cert" | "key">): Promise<void> {
  await Bun.write(cert, pair.cert);
  await Bun.write(key, pair.key);
}

function write(line: string): void {
  lines.push(line.trimEnd());
}

/** A link is replaced as a whole. */
async function swap(link: string, target: string): Promise<void> {
  await symlink(target, `${link}.new`);
  await rename(`${link}.new`, link);
}

function begin(clock = new FakeClock(), source = namedCertificate(cert, key)): Promise<Renewal> {
  const log = createLog({ level: "info", journal: false, write, nowMs: () => 0 });
  return Renewal.begin(source, clock, log, () => wallMs);
}

/** Two looks: files that no longer change are read by then. */
async function settle(renewal: Renewal): Promise<void> {
  await renewal.look();
  await renewal.look();
}

const fingerprintOf = (pair: Certificate) => keyPairOf(pair.cert, pair.key).fingerprint;
const refused = "fstream: warning: new certificate rejected, keeping the previous one: ";

test("files that have changed are taken up once they no longer change, and are not read again", async () => {
  await put(loopback);
  const renewal = await begin();
  await settle(renewal);
  expect([renewal.pair.fingerprint, lines]).toEqual([fingerprintOf(loopback), []]);
  await Bun.write(cert, elsewhere.cert);
  await renewal.look();
  await Bun.write(key, elsewhere.key);
  await renewal.look();
  expect([renewal.pair.fingerprint, lines]).toEqual([fingerprintOf(loopback), []]);
  await renewal.look();
  expect(renewal.pair.fingerprint).toBe(fingerprintOf(elsewhere));
  await settle(renewal);
  expect(lines).toEqual([
    expect.stringMatching(/^fstream: new certificate in use, valid until 20.* UTC, fingerprint ..:/),
  ]);
  expect(lines[0]).toEndWith(fingerprintOf(elsewhere));
});

test("when asked it reads at once, and says so where nothing is new", async () => {
  await put(loopback);
  const renewal = await begin();
  await renewal.read();
  expect(lines.splice(0)).toEqual(["fstream: the certificate is unchanged"]);
  await put(elsewhere);
  await renewal.read();
  expect(renewal.pair.fingerprint).toBe(fingerprintOf(elsewhere));
});

test("a file that is only touched is no news", async () => {
  await put(loopback);
  const renewal = await begin();
  await utimes(cert, 1, 1);
  await settle(renewal);
  expect([renewal.pair.fingerprint, lines]).toEqual([fingerprintOf(loopback), []]);
});

const wrong: [what: string, change: () => Promise<unknown>, reason: string][] = [
  ["a key that is another's", () => Bun.write(key, elsewhere.key), "tls_key does not match tls_cert"],
  ["a certificate that has expired", () => put(expired), "it expired on "],
  ["a certificate that is not valid yet", () => put(future), "it is not valid before "],
  ["a half-written certificate", () => Bun.write(cert, elsewhere.cert.slice(0, 200)), "tls_cert: "],
  ["a half-written key", () => Bun.write(key, loopback.key.slice(0, 60)), "tls_key: "],
  [
    "a chain that is cut off",
    () => Bun.write(cert, `${loopback.cert}${elsewhere.cert.slice(0, 200)}`),
    "tls_cert: ",
  ],
  ["an empty file", () => Bun.write(cert, ""), "tls_cert: "],
  ["a file that is gone", () => rm(key), "tls_key: "],
  ["a folder in a file's place", () => rm(key).then(() => mkdir(key)), "tls_key: "],
];

test.each(wrong)(
  "%s is refused once, with the reason, and a good pair afterwards is taken",
  async (_, change, reason) => {
    await put(loopback);
    const renewal = await begin();
    await change();
    await settle(renewal);
    await settle(renewal);
    expect(renewal.pair.fingerprint).toBe(fingerprintOf(loopback));
    expect(lines).toEqual([expect.stringContaining(`${refused}${reason}`)]);
    await renewal.read();
    expect(lines.splice(0)).toHaveLength(2);
    await rm(key, { recursive: true, force: true });
    await put(elsewhere);
    await settle(renewal);
    expect(renewal.pair.fingerprint).toBe(fingerprintOf(elsewhere));
    expect(lines).toHaveLength(1);
  },
);

test("the pair as it was before a refused one is reported too", async () => {
  await put(loopback);
  const renewal = await begin();
  await put({ cert: loopback.cert, key: elsewhere.key });
  await settle(renewal);
  await put(loopback);
  await settle(renewal);
  expect(lines).toEqual([expect.stringContaining(refused), "fstream: the certificate is unchanged"]);
});

test.skipIf(process.getuid?.() === 0)(
  "a file that can't be read is refused, and taken once it can be",
  async () => {
    await put(loopback);
    const renewal = await begin();
    await put(elsewhere);
    await chmod(key, 0);
    await settle(renewal);
    expect(lines).toEqual([
      expect.stringContaining(`${refused}tls_key: ${key} can't be read: permission denied`),
    ]);
    await chmod(key, 0o600);
    await settle(renewal);
    expect(renewal.pair.fingerprint).toBe(fingerprintOf(elsewhere));
  },
);

test("one that was refused because it is not valid yet is taken when it is", async () => {
  await put(loopback);
  const renewal = await begin();
  await put(future);
  await settle(renewal);
  expect(renewal.pair.fingerprint).toBe(fingerprintOf(loopback));
  wallMs += 25 * 3600 * 1000;
  await settle(renewal);
  expect(renewal.pair.fingerprint).toBe(fingerprintOf(future));
});

test("symbolic links that are swapped are seen, be it the file's or its folder's", async () => {
  for (const [name, pair] of Object.entries({ loopback, elsewhere, again: loopback })) {
    await mkdir(join(folder, name));
    await Bun.write(join(folder, name, "cert.pem"), pair.cert);
    await Bun.write(join(folder, name, "key.pem"), pair.key);
  }
  await swap(join(folder, "..data"), "loopback");
  await swap(cert, "..data/cert.pem");
  await swap(key, "..data/key.pem");
  const renewal = await begin();
  await swap(join(folder, "..data"), "elsewhere");
  await settle(renewal);
  expect(renewal.pair.fingerprint).toBe(fingerprintOf(elsewhere));
  await swap(cert, "again/cert.pem");
  await swap(key, "again/key.pem");
  await settle(renewal);
  expect(renewal.pair.fingerprint).toBe(fingerprintOf(loopback));
});

test("a server starts with a certificate that has expired, as it has no other, and warns of it once", async () => {
  await put(expired);
  const renewal = await begin();
  await settle(renewal);
  expect(lines).toEqual([
    expect.stringMatching(/^fstream: warning: clients will not accept the certificate: it expired on /),
  ]);
});

test("one that expires while the server runs is warned of", async () => {
  await put(loopback);
  const renewal = await begin();
  wallMs = renewal.pair.validToMs + 1;
  await settle(renewal);
  expect(lines).toEqual([expect.stringContaining("clients will not accept the certificate: it expired on ")]);
});

test("a server does not start with a pair that can't be used", async () => {
  await put({ cert: loopback.cert, key: elsewhere.key });
  expect(await begin().catch((error: unknown) => error)).toMatchObject({
    code: "failed",
    message: "tls_key does not match tls_cert",
  });
});

test("the self-signed pair of the state folder is renewed as any other, but not made anew while the server runs", async () => {
  const renewal = await begin(new FakeClock(), await ownCertificate(folder));
  const { fingerprint } = renewal.pair;
  const file = join(folder, "self-signed.pem");
  await rm(file);
  await settle(renewal);
  expect(renewal.pair.fingerprint).toBe(fingerprint);
  expect(lines.splice(0)).toEqual([
    expect.stringContaining(`${refused}can't save a certificate in ${file}: `),
  ]);
  await Bun.write(file, `${elsewhere.key}\n${elsewhere.cert}`);
  await settle(renewal);
  expect(renewal.pair.fingerprint).toBe(fingerprintOf(elsewhere));
});

test("a state folder that is a file is named as what it is not", async () => {
  const file = join(folder, "file");
  await Bun.write(file, "");
  const error = await ownCertificate(file).catch((error: unknown) => error);
  expect(error).toMatchObject({
    message: `can't save a certificate in ${join(file, "self-signed.pem")}: ${file} is not a directory`,
  });
});

test("the files are looked at again and again, until it is stopped", async () => {
  await put(loopback);
  const clock = new FakeClock();
  const renewal = await begin(clock);
  for (let i = 0; i < 3; i++) {
    expect(clock.pending).toBe(1);
    clock.advance(10_000);
    while (clock.pending === 0) await Bun.sleep(1);
  }
  renewal.stop();
  expect(clock.pending).toBe(0);
});
