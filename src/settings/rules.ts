// What must hold between settings: each rule names the keys it is about and says, when it is broken, what
// would be right. A rule is asked only once each of its values is right in itself.

import { formatSize } from "./size.ts";
import type { Settings } from "./table.ts";

interface Rule {
  /** Keys in the file, the one to point at first. */
  readonly keys: readonly string[];
  /** What is wrong, or undefined. `isFlag`: what is pointed at is a flag, and another one would be right. */
  broken(settings: Settings, isFlag?: boolean): string | undefined;
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
    broken: ({ server }) =>
      listenerKeys.some((key) => server[listeners[key]] !== undefined)
        ? undefined
        : `nothing to listen on: set at least one of ${listenerKeys.join(", ")}`,
  },
  {
    keys: listenerKeys,
    broken: ({ server }) => {
      const taken = new Map<string, string>();
      for (const key of listenerKeys) {
        const address = server[listeners[key]];
        if (address === undefined || address.port === 0) continue;
        const text = `${address.host}:${address.port}`;
        const other = taken.get(text);
        if (other !== undefined)
          return `${other} and ${key} are the same address: use a different one for each`;
        taken.set(text, key);
      }
      return undefined;
    },
  },
  {
    keys: ["tls_cert", "tls_key"],
    broken: ({ server }) => {
      if ((server.tlsCert === undefined) === (server.tlsKey === undefined)) return undefined;
      return server.tlsKey === undefined
        ? "tls_cert is set without tls_key: set both"
        : "tls_key is set without tls_cert: set both";
    },
  },
  {
    keys: ["backlog", "max_backlog_total"],
    broken: ({ fstream }) =>
      fstream.backlogBytes <= fstream.maxBacklogTotalBytes
        ? undefined
        : `backlog (${formatSize(fstream.backlogBytes)}) must be at most max_backlog_total ` +
          `(${formatSize(fstream.maxBacklogTotalBytes)})`,
  },
  {
    keys: ["plain_passwords", "tls_listen", "https_listen", "http_listen"],
    broken: ({ server, fstream }) =>
      fstream.plainPasswords || (server.tlsListen ?? server.httpsListen ?? server.httpListen) !== undefined
        ? undefined
        : "plain_passwords is false, but there is no other way to log in: " +
          "set tls_listen or https_listen",
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
      return `authenticator is "${authenticator}", which needs ${isFlag ? `--auth-${key}` : key}`;
    },
  },
];
