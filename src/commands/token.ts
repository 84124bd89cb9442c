// `fstream ADDRESS token`: prints a one-time token and a newline, nothing else, on stdout.

import { formatPlace, isLoopback, isSecure } from "../client/address.ts";
import { fetchToken } from "../client/token.ts";
import { argumentFlags } from "./arguments.ts";
import type { Command, Invocation } from "./command.ts";
import { addressOperand, trustFlags, trustOf } from "./connectionflags.ts";
import { readArguments, requirePassword } from "./readarguments.ts";

export const token: Command = {
  name: "token",
  summary: "get a one-time token for broadcasting",
  usage: ["ADDRESS token --user NAME [FLAG]..."],
  examples: [
    "token=$(fstream https://relay.example:61921 token --user fier \\\n  --user-password-file secret)",
    '... | fstream relay.example broadcast --user fier --token "$token"',
  ],
  flags: { ...argumentFlags("token"), ...trustFlags },
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const { terminal } = invocation;
  const address = addressOperand("token", invocation, ["fstream", "fstreams", "https", "http"]);
  const trust = await trustOf(invocation, [address]);
  const found = await readArguments("token", invocation);
  const login = { user: found.get("user") ?? "", password: requirePassword("token", found) };
  if (!isSecure(address) && !isLoopback(address)) {
    terminal.say("warning: the password is sent unencrypted");
    const [https, fstreams] = [61921, 61922].map((port) => formatPlace({ host: address.host, port }));
    terminal.hint(`use https://${https} or fstreams://${fstreams} (the usual ports)`);
  }
  const extra = [...found].filter(([name]) => name !== "user" && name !== "user_password");
  terminal.print(`${await fetchToken(address, trust, login, extra)}\n`);
  return 0;
}
