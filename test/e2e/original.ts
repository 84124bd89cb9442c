// A server of the original protocol, as its documentation has it: it knows no reply frames, no keys beyond the
// original's, and refuses by closing the connection without a word. Small and slow, but it relays.

import { type Peer, type StandIn, standIn } from "../client/standin.ts";

export interface Original extends StandIn {
  /** What the last broadcast brought, once it has ended. */
  broadcast(): Promise<Buffer>;
}

/** Starts one with the user `fier`, whose password is `123`. */
export function originalServer(): Original {
  const watchers = new Map<string, Peer[]>();
  const live = new Map<string, string>();
  const tokens = new Set<string>();
  let last = Promise.withResolvers<Buffer>();

  const server = standIn(async (peer) => {
    const { fields } = peer;
    const intent = peer.text.split(",", 1)[0];
    const channel = `${fields.get("user")}/${fields.get("channel") ?? "default"}`;
    const password = fields.get("channel_password") ?? "";
    const isUser = fields.get("user") === "fier" && fields.get("user_password") === "123";

    if (intent === "token" && isUser) {
      const token = crypto.randomUUID();
      tokens.add(token);
      await peer.send(token);
    } else if (intent === "watch" && live.get(channel) === password) {
      watchers.set(channel, [...(watchers.get(channel) ?? []), peer]);
      return;
    } else if (intent === "broadcast" && (isUser || tokens.delete(fields.get("token") ?? ""))) {
      live.set(channel, password);
      let sent = 0;
      let over = false;
      void peer.finished.then(() => {
        over = true;
      });
      for (;;) {
        const bytes = peer.received().subarray(sent);
        sent += bytes.length;
        for (const watcher of watchers.get(channel) ?? []) await watcher.send(bytes);
        if (bytes.length > 0) continue;
        if (over) break;
        await peer.until(sent + 1);
      }
      live.delete(channel);
      for (const watcher of watchers.get(channel) ?? []) watcher.fin();
      watchers.delete(channel);
      last.resolve(peer.received());
      last = Promise.withResolvers<Buffer>();
    }
    peer.fin();
  });
  return { ...server, broadcast: () => last.promise, [Symbol.asyncDispose]: server[Symbol.asyncDispose] };
}
