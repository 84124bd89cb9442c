// What must hold between settings: each rule names the keys it is about and says, when it is broken, what
// would be right. A rule is asked only once each of its values is right in itself.

import { formatSize } from "./size.ts";
import type { Settings } from "./table.ts";

interface Rule {
  /** Keys in the file, the one to point at first. */
  readonly keys: readonly string[];
  /** What is wrong, or undefined. `isFlag`: it is about flags, and names them itself. */
  broken(settings: Settings, isFlag?: boolean): string | undefined;
}

/** A setting as the person who set it by a flag, or in the file, knows it. */
function spelt(key: string, isFlag = false): string {
  return isFlag ? `--${key.replaceAll("_", "-")}` : key;
}

const listeners = {
  listen: "listen",
  tls_listen: "tlsListen",
  https_listen: "httpsListen",
  http_listen: "httpListen",
} as const;
const listenerKeys = Object.keys(listeners) as (keyof typeof listeners)[];

export const rules: readonly Rule[] = [
  {
    keys: listenerKeys,
    broken: ({ server }, isFlag) =>
      listenerKeys.some((key) => server[listeners[key]] !== undefined)
        ? undefined
        : `nothing to listen on: set at least one of ${listenerKeys.map((key) => spelt(key, isFlag)).join(", ")}`,
  },
  {
    keys: listenerKeys,
    broken: ({ server }, isFlag) => {
      const taken = new Map<string, string>();
      for (const key of listenerKeys) {
        const address = server[listeners[key]];
        if (address === undefined || address.port === 0) continue;
        const text = `${address.host}:${address.port}`;
        const other = taken.get(text);
        if (other !== undefined)
          return `${spelt(other, isFlag)} and ${spelt(key, isFlag)} are the same address: use a different one for each`;
        taken.set(text, key);
      }
      return undefined;
    },
  },
  {
    keys: ["tls_cert", "tls_key"],
    broken: ({ server }, isFlag) => {
      if ((server.tlsCert === undefined) === (server.tlsKey === undefined)) return undefined;
      const [set, missing] = server.tlsKey === undefined ? ["tls_cert", "tls_key"] : ["tls_key", "tls_cert"];
      return isFlag === true
        ? `${spelt(set, isFlag)} needs ${spelt(missing, isFlag)}`
        : `${set} is set without ${missing}: set both`;
    },
  },
  {
    keys: ["backlog", "max_backlog_total"],
    broken: ({ fstream }, isFlag) =>
      fstream.backlogBytes <= fstream.maxBacklogTotalBytes
        ? undefined
        : `${spelt("backlog", isFlag)} (${formatSize(fstream.backlogBytes)}) must be at most ${spelt("max_backlog_total", isFlag)} ` +
          `(${formatSize(fstream.maxBacklogTotalBytes)})`,
  },
  {
    keys: ["plain_passwords", "tls_listen", "https_listen", "http_listen"],
    broken: ({ server, fstream }, isFlag) =>
      fstream.plainPasswords || (server.tlsListen ?? server.httpsListen ?? server.httpListen) !== undefined
        ? undefined
        : `${spelt("plain_passwords", isFlag)} is false, but there is no other way to log in: ` +
          `set ${spelt("tls_listen", isFlag)} or ${spelt("https_listen", isFlag)}`,
  },
  {
    keys: ["authenticator", "module", "command", "url"],
    broken: ({ auth }, isFlag = false) => {
      const { authenticator, module, command, url } = auth;
      const isMissing = {
        users: false,
        module: module === undefined,
        command: command.length === 0,
        http: url === undefined,
      };
      const key = authenticator === "http" ? "url" : authenticator;
      if (!isMissing[authenticator]) return undefined;
      return `${spelt("authenticator", isFlag)} is "${authenticator}", which needs ${isFlag ? `--auth-${key}` : key}`;
    },
  },
];
