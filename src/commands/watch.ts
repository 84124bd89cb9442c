// `fstream ADDRESS watch`: a stream to stdout. Its statuses: 0 the stream ended in order (or stdout's reader has
// gone), 4 nothing to watch, 5 cut short, and those of a refusal.

import { systemClock } from "../client/clock.ts";
import { dial } from "../client/dial.ts";
import { finishing, graceMs, processInterrupt, quietEndMs } from "../client/interrupt.ts";
import { stdoutOutput } from "../client/output.ts";
import { WatchClient } from "../client/watch.ts";
import { channelLabel, FstreamError } from "../errors.ts";
import { defaultChannel } from "../protocol/keys.ts";
import { encodeRequest } from "../protocol/request.ts";
import { argumentFlags } from "./arguments.ts";
import type { Command, Invocation } from "./command.ts";
import {
  addressOperand,
  meterFor,
  optionalDuration,
  quietFlag,
  sayer,
  trustFlags,
  trustOf,
} from "./connectionflags.ts";
import { type Arguments, readArguments } from "./readarguments.ts";

export const watch: Command = {
  name: "watch",
  summary: "write a channel's stream to standard output",
  usage: ["ADDRESS watch --user NAME [FLAG]..."],
  examples: [
    "fstream relay.example watch --user fier | mpv -",
    "fstream relay.example watch --user fier --wait --retry > recording.ts",
    "fstream relay.example watch --user fier --channel cam1 \\\n  --channel-password-file secret | ffplay -analyzeduration 500k -i -",
  ],
  notes:
    "Bytes that the server skipped because this client was too slow are reported at the end of the stream; if a signal ends watch before that, only the server's log has them.",
  flags: {
    ...argumentFlags("watch"),
    retry: {
      type: "string",
      optionalValue: true,
      value: "DURATION",
      help: "reconnect whenever the stream ends, for any reason; give up after DURATION without success, with the exit status of the last attempt",
    },
    ...trustFlags,
    quiet: quietFlag,
  },
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const { flags, terminal } = invocation;
  const address = addressOperand("watch", invocation, ["fstream", "fstreams"]);
  const trust = await trustOf(invocation, [address]);
  const found = await readArguments("watch", invocation);
  const waitMs =
    flags.wait === undefined
      ? optionalDuration("fserv_arg_wait", found.get("wait"))
      : optionalDuration("--wait", flags.wait);
  const retryMs = optionalDuration("--retry", flags.retry);
  if (process.stdout.isTTY) {
    throw new FstreamError("usage", "watch won't write a stream to a terminal", {
      hint: "pipe it to a player: fstream ADDRESS watch | ffplay -analyzeduration 500k -i -",
    });
  }
  const meter = meterFor(invocation, 1);
  const say = sayer(terminal, meter, flags.quiet === true);
  const interrupt = processInterrupt();
  const watcher = new WatchClient({
    channel: channelLabel(found.get("user") ?? "", found.get("channel") ?? defaultChannel),
    dial: (peer) => dial(address, trust, peer),
    request: (waitSeconds) => request(found, waitSeconds),
    waitMs,
    retryMs,
    closeWhenSlow: found.get("lag") === "close",
    output: stdoutOutput(),
    clock: systemClock,
    meter,
    say,
    warn: (text) => {
      meter?.clear();
      terminal.say(`warning: ${text}`);
    },
  });
  meter?.start();
  try {
    const watching = watcher.run().then(() => interrupt.status ?? 0);
    const interrupted = interrupt.first.then(async (status) => {
      if (!watcher.began) return status;
      watcher.stop();
      setTimeout(() => say(finishing(status)), quietEndMs);
      return await Promise.race([watching, Bun.sleep(graceMs).then(() => status)]);
    });
    return await Promise.race([watching, interrupted, interrupt.second]);
  } finally {
    meter?.stop();
  }
}

function request(found: Arguments, waitSeconds: number): Uint8Array {
  const fields = [...found].filter(([name]) => name !== "wait");
  if (waitSeconds > 0) fields.push(["wait", String(waitSeconds)]);
  return encodeRequest("watch", [...fields, ["reply", "1"]]);
}
