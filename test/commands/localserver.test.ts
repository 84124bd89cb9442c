// What `fstream status` says where the server on this machine is not as the settings here have it.

import { expect, test } from "bun:test";
import { aboutLocal } from "../../src/commands/localserver.ts";
import { FstreamError } from "../../src/errors.ts";

const refused = new FstreamError("disconnected", "connection refused by localhost:61921", {
  hint: "is it running?",
});

test("a server that is not there may be one that was started with flags: the hint says how to ask that one", () => {
  expect(aboutLocal(refused, undefined)).toMatchObject({
    code: "disconnected",
    message: refused.message,
    hint: "this is the default address, as no settings file was found (./fstream.toml, else /etc/fstream/fstream.toml); if the server uses other settings, run fstream https://localhost:PORT status, or give --config FILE",
  });
  expect(aboutLocal(refused, "my.toml").hint).toStartWith(
    "this is the address in my.toml; if the server uses other settings, ",
  );
});

test("a certificate that is another than the one of these settings is that of another server, not of an attacker", () => {
  const other = new FstreamError(
    "failed",
    "the certificate of localhost:61921 has a different fingerprint: AB:CD",
    {
      hint: "or the connection is intercepted",
    },
  );
  expect(aboutLocal(other, undefined).hint).toStartWith("this server was started in another folder");
});

test("what else goes wrong keeps its hint", () => {
  const untrusted = new FstreamError("failed", "the certificate is not trusted", {
    hint: "--fingerprint AB:CD",
  });
  expect(aboutLocal(untrusted, undefined)).toBe(untrusted);
});
