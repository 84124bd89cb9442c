// Hints after a refusal: by the code, and where the code leaves it open by our servers' messages.

import { expect, test } from "bun:test";
import { withHint } from "../../src/client/hints.ts";
import { FstreamError } from "../../src/errors.ts";

function hintFor(message: string, verb: "watch" | "broadcast" | "token"): string {
  return withHint(new FstreamError("unauthorized", message), verb, "relay.example:7400").hint ?? "";
}

test("a refused password gets a hint to check it", () => {
  for (const verb of ["broadcast", "token"] as const)
    expect(hintFor("wrong user or password", verb)).toStartWith("check --user and --user-password");
});

test("a refused token gets a hint to get a new one, and not to check a password", () => {
  for (const message of [
    "token already used",
    "token expired",
    "the token was already used",
    "wrong user or token",
  ]) {
    const hint = hintFor(message, "broadcast");
    expect(hint).toContain("get a new token: each works once");
    expect(hint).not.toContain("password");
  }
});

test("a reason that an authenticator gives says itself what to do", () => {
  expect(hintFor("your contract ended in May", "watch")).toBe("");
});

test("a token that is only issued over HTTPS gets a hint at the HTTPS port", () => {
  const error = new FstreamError("forbidden", "tokens are only issued over HTTPS");
  expect(withHint(error, "token", "relay.example:8080").hint).toStartWith("use https://relay.example:61921 ");
});

test("where passwords may not travel in the open, the hint has the ways around it", () => {
  const message = "this server accepts no passwords on a plain connection";
  expect(hintFor(message, "broadcast")).toBe(
    "use --token-from https://relay.example:61921, or the address fstreams://relay.example:61922 (the usual ports)",
  );
  expect(hintFor(message, "token")).toBe(
    "use the address https://relay.example:61921 or fstreams://relay.example:61922 (the usual ports)",
  );
});

function limitHint(message: string): string {
  return withHint(new FstreamError("limit", message), "broadcast", "").hint ?? "";
}

test("too high a bit rate gets a hint to lower it, another limit one to try again", () => {
  expect(limitHint("the bit rate is above the limit of 50 kbit/s")).toStartWith(
    "lower the encoder's bit rate",
  );
  expect(limitHint("too many channels")).toBe("try again later, or use --retry");
});

test("a hint that is there is kept", () => {
  const error = new FstreamError("unauthorized", "no", { hint: "ask me" });
  expect(withHint(error, "broadcast", "")).toBe(error);
});

test("what was replaced, and was told so, gets a hint at a channel of its own", () => {
  expect(withHint(new FstreamError("replaced", "another one began"), "broadcast", "").hint).toContain(
    "another --channel",
  );
});
