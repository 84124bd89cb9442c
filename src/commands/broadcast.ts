// `fstream ADDRESS broadcast`: stdin to a channel. It ends with 0 only when the server took every byte.

import { isatty } from "node:tty";
import { Adviser } from "../client/advice.ts";
import { BroadcastClient } from "../client/broadcast.ts";
import { systemClock } from "../client/clock.ts";
import { dial } from "../client/dial.ts";
import { stdinInput } from "../client/input.ts";
import { finishing, graceMs, inputGraceMs, processInterrupt, quietEndMs } from "../client/interrupt.ts";
import { ChunkRejoin, JoinRejoin } from "../client/rejoin.ts";
import { fetchToken } from "../client/token.ts";
import { FstreamError } from "../errors.ts";
import { encodeRequest } from "../protocol/request.ts";
import { argumentFlags } from "./arguments.ts";
import type { Command, Invocation } from "./command.ts";
import {
  addressOf,
  addressOperand,
  isFile,
  meterFor,
  optionalDuration,
  quietFlag,
  sayer,
  trustFlags,
  trustOf,
} from "./connectionflags.ts";
import { type Arguments, readArguments, requirePassword } from "./readarguments.ts";

export const broadcast: Command = {
  name: "broadcast",
  summary: "broadcast standard input to a channel",
  usage: ["ADDRESS broadcast --user NAME [FLAG]..."],
  examples: [
    "ffmpeg -re -i film.mp4 -c copy -f mpegts - |\n  fstream relay.example broadcast --user fier --user-password-file secret",
    "ffmpeg -f x11grab -i :0 -c:v libx264 -preset veryfast -tune zerolatency \\\n  -pix_fmt yuv420p -g 60 -f mpegts - |\n  fstream relay.example broadcast --retry --user fier \\\n  --user-password-file secret",
    "... | fstream relay.example broadcast --user fier \\\n  --user-password-file secret --token-from https://relay.example:61921",
  ],
  notes:
    "On SIGINT (Ctrl-C) or SIGTERM, broadcast reads standard input to its end, for up to 1.5 s, and ends the stream cleanly, within 2 s in total. A second signal stops it at once.",
  flags: {
    ...argumentFlags("broadcast"),
    "token-from": {
      type: "string",
      value: "ADDRESS",
      help: "for each connection, get a one-time token from ADDRESS (https://host:port) and send it instead of the password",
    },
    retry: {
      type: "string",
      optionalValue: true,
      value: "DURATION",
      help: "reconnect when the connection is lost; give up after DURATION without success; input that arrives meanwhile is dropped",
    },
    ...trustFlags,
    quiet: quietFlag,
  },
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const { flags, terminal } = invocation;
  const address = addressOperand("broadcast", invocation, ["fstream", "fstreams"]);
  const tokenAddress =
    typeof flags["token-from"] === "string"
      ? addressOf("--token-from", flags["token-from"], ["https", "http", "fstreams"])
      : undefined;
  if (tokenAddress !== undefined && flags.token !== undefined)
    throw new FstreamError("usage", "--token-from and --token can't be used together");
  const trust = await trustOf(invocation, tokenAddress === undefined ? [address] : [address, tokenAddress]);
  const found = await readArguments("broadcast", invocation);
  if (tokenAddress !== undefined || !found.has("token")) requirePassword("broadcast", found);
  const login = { user: found.get("user") ?? "", password: found.get("user_password") ?? "" };
  const chunkBytes = Number(found.get("bufsize") ?? 0);
  const meter = meterFor(invocation, 0);
  const say = sayer(terminal, meter, flags.quiet === true);
  let page = "";
  const input = stdinInput();
  const interrupt = processInterrupt();
  const adviser = new Adviser(systemClock, isFile(0), ({ message, hint }) => {
    meter?.clear();
    terminal.say(`warning: ${message}`);
    terminal.hint(hint);
  });
  const broadcaster = new BroadcastClient({
    dial: () => dial(address, trust),
    request: (token) => request(found, token),
    fetchToken: tokenAddress && (() => fetchToken(tokenAddress, trust, login)),
    retryMs: optionalDuration("--retry", flags.retry),
    rejoin: chunkBytes > 0 ? new ChunkRejoin(chunkBytes) : new JoinRejoin(),
    input,
    clock: systemClock,
    meter,
    say,
    // Chunks are the caller's own format.
    ...(chunkBytes > 0 ? {} : { look: (bytes: Uint8Array) => adviser.feed(bytes) }),
    page: (url) => {
      if (meter !== undefined && url !== page) say(`watch at ${url}`);
      page = url;
    },
  });
  if (isatty(0)) say("reading from the terminal; end with Ctrl-D");
  meter?.start();
  try {
    const sending = broadcaster.run().then((delivery) => {
      meter?.stop();
      if (delivery.dropped > 0)
        terminal.say(`warning: ${delivery.dropped} bytes were dropped while disconnected`);
      if (interrupt.status !== undefined) return interrupt.status;
      if (input.total === 0) terminal.say("warning: standard input was empty; nothing was broadcast");
      else if (!delivery.confirmed) {
        terminal.say(`warning: the server did not confirm receiving the ${delivery.sent} bytes`);
        terminal.hint(
          "it may speak the original protocol, which has no confirmation, or not be an fstream server",
        );
      }
      return 0;
    });
    const interrupted = interrupt.first.then(async (status) => {
      broadcaster.stop();
      if (!broadcaster.connected) return status;
      // What feeds us got the same signal, and may still have a trailer to write.
      setTimeout(() => input.finish(), inputGraceMs);
      setTimeout(() => say(finishing(status)), quietEndMs);
      return await Promise.race([sending, Bun.sleep(graceMs).then(() => status)]);
    });
    return await Promise.race([sending, interrupted, interrupt.second]);
  } finally {
    meter?.stop();
  }
}

/** A token alone counts: where there is one, the password stays here. */
function request(found: Arguments, fetched: string | undefined): Uint8Array {
  const fields = new Map(found);
  if (fetched !== undefined) fields.set("token", fetched);
  if (fields.has("token")) fields.delete("user_password");
  return encodeRequest("broadcast", [...fields, ["reply", "1"]]);
}
