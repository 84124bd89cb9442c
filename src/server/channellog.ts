// What happens in channels, as the log has it.

import { channelLabel } from "../errors.ts";
import type { Fields, Log } from "../log.ts";
import type { Channel } from "../relay/channel.ts";
import type { RelayEvents } from "../relay/relay.ts";
import { counted, describe, sizeText } from "./description.ts";

const labelOf = ({ user, name }: Channel) => channelLabel(user, name);

/** Writes what channels report to `log`: each user's by itself, so that none hides another's. */
export function channelLog(log: Log): RelayEvents {
  const warn = (kind: string, channel: Channel, message: string, fields: Fields = {}) => {
    const label = labelOf(channel);
    log.repeated(`${kind} ${channel.user}`, `${label}: ${message}`, "warn", { channel: label, ...fields });
  };
  return {
    recognised: (channel) => {
      const label = labelOf(channel);
      const { problem } = channel.info ?? {};
      if (problem !== undefined)
        warn("unjoinable", channel, `watchers who join late can't play it: ${problem}`);
      else log.event(`stream ${channel.user}`, `${label}: ${describe(channel.info)}`, { channel: label });
    },
    skipped: (channel, bytes) =>
      warn("skip", channel, `a slow watcher skipped ${sizeText(bytes)}`, { bytes }),
    closed: (channel) => {
      const { bytesIn, bytesOut, skips, watchersInTotal: watchers } = channel;
      if (bytesIn === 0) return;
      const counts = [
        `${bytesIn} bytes in`,
        `${bytesOut} out`,
        counted(watchers, "watcher"),
        counted(skips, "skip"),
      ];
      const label = labelOf(channel);
      const fields = { channel: label, bytes_in: bytesIn, bytes_out: bytesOut, watchers, skips };
      log.event(`close ${channel.user}`, `${label}: closed: ${counts.join(", ")}`, fields);
    },
    attended: (channel, { joined, left }) => {
      const { watchers } = channel;
      const label = labelOf(channel);
      const message = `${label}: ${counted(watchers, "watcher")} (${joined} joined, ${left} left)`;
      log.event(`watchers ${channel.user}`, message, { channel: label, watchers, joined, left });
    },
    joinless: (channel) =>
      warn(
        "joinless",
        channel,
        "no keyframe for 10 s: watchers who join are far behind live, or wait; send one every 2 s (ffmpeg: -g, twice the frame rate)",
      ),
    opaque: (channel, reason) =>
      warn("opaque", channel, `relayed as is from here on, without join points: ${reason}`),
    failed: (channel, error) =>
      log.repeated(`bug ${channel.user}`, `${labelOf(channel)}: ${faultOf(error)}`, "error"),
    backlogShort: (channel, neededBytes) =>
      warn(
        "backlog",
        channel,
        "the backlog is smaller than the distance between keyframes, so watchers who join wait for the next one: " +
          `send keyframes more often, or set backlog to ${Math.ceil((neededBytes * 1.25) / 2 ** 20)}MiB or more`,
      ),
  };
}

/** For the log: where a bug is. */
function faultOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `a bug in fstream: ${stack.replaceAll(/\n\s*/g, " | ")}`;
}
