// What the tests' own net catches: a secret in any form in which the program might say it, and no number that only looks like one.

import { expect, test } from "bun:test";
import {
  holdsNoSecret,
  isSecret,
  lineWithSecret,
  secretsOfCommand,
  secretsOfRequest,
  secretsOfUserFile,
} from "./secrets.ts";

test.each([
  ["as it is", "login of fier with Tr0ub4dor&3"],
  ["in a URL", "GET /watch/fier/default?channel_password=Tr0ub4dor%263"],
  ["as Basic authentication", `Authorization: Basic ${btoa("fier:Tr0ub4dor&3")}`],
  ["in JSON, on any line", 'ready\n{"user_password":"Tr0ub4dor&3"}\nstopping'],
])("a secret is found %s", (_, said) => {
  secretsOfRequest("broadcast,user=fier,user_password=Tr0ub4dor&3,reply=1");
  expect(() => holdsNoSecret("serve", said)).toThrow("serve says a secret: ");
});

test("a short secret is found where a value stands, and not within a number", () => {
  isSecret("987");
  for (const said of ["user_password=987,reply=1", '{"password":"987"}', "fier:987@relay", "password '987'"])
    expect(lineWithSecret(said)).toBeDefined();
  for (const said of ["987 bytes", "127.0.0.1:9871", "lag 987 ms"])
    expect(lineWithSecret(said)).toBeUndefined();
});

test("secrets are taken from flags, the environment and users' files, and nothing else is", () => {
  secretsOfCommand(["127.0.0.1:1", "watch", "--channel-password", "of-a-flag", "--user=not-secret"], {
    fserv_arg_token: "of-the-environment",
    fserv_arg_channel: "no-secret-either",
  });
  secretsOfUserFile('enabled = true\npassword = "of-a-toml-file"\n');
  secretsOfUserFile("[DEFAULT]\npassword=of an ini file\n");
  for (const said of ["of-a-flag", "of-the-environment", "of-a-toml-file", "of an ini file"])
    expect(lineWithSecret(`x ${said} y`)).toBe(`"${said}" in: x ${said} y`);
  for (const said of ["not-secret", "no-secret-either"]) expect(lineWithSecret(said)).toBeUndefined();
});
