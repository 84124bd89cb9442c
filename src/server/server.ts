// The server put together: settings in, listeners out. What it is made of knows nothing of it.

import { randomBytes } from "node:crypto";
import { Access } from "../access/access.ts";
import { ConnectionLimits, refusalPlaces } from "../access/limits.ts";
import { Revocations } from "../access/revocations.ts";
import { Rewinds } from "../access/rewinds.ts";
import { WaitingPlaces } from "../access/waitingplaces.ts";
import { AdminToken } from "../auth/admintoken.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import { networkOf } from "../auth/network.ts";
import { constantTimeEquals } from "../auth/password.ts";
import { Throttle } from "../auth/throttle.ts";
import { Tokens } from "../auth/tokens.ts";
import { FstreamError, reasonOf, systemReason } from "../errors.ts";
import { Api } from "../http/api.ts";
import { addressMatcher, isLoopback } from "../http/clientaddress.ts";
import { Exchange } from "../http/exchange.ts";
import { Metrics } from "../http/metrics.ts";
import { Parts } from "../http/parts.ts";
import type { KeyPair } from "../keypair.ts";
import type { Log } from "../log.ts";
import { Relay } from "../relay/relay.ts";
import { Turns } from "../relay/turns.ts";
import { Acknowledgements } from "../session/acknowledgements.ts";
import { EndRecords } from "../session/endrecords.ts";
import type { Listening, ListenPlace } from "../session/listening.ts";
import { Polling } from "../session/polling.ts";
import type { Services } from "../session/services.ts";
import { Session } from "../session/session.ts";
import type { ListenAddress } from "../settings/address.ts";
import type { Options } from "../settings/options.ts";
import { build } from "../version.ts";
import { addressText, assignSockets, type PassedSocket } from "./activation.ts";
import { type CertificateSource, namedCertificate, ownCertificate } from "./certificate.ts";
import { channelLog } from "./channellog.ts";
import { counted } from "./description.ts";
import { Epoll } from "./epoll.ts";
import { openFileLimit } from "./libc.ts";
import { processFigures } from "./processfigures.ts";
import { Renewal } from "./renewal.ts";
import { sendBatch } from "./sendbatch.ts";
import { Sockets } from "./sockets.ts";
import { SystemClock } from "./systemclock.ts";

/** Files that are not connections: listeners, logs, the users folder, and what the runtime has open. */
const reservedFiles = 128;
/** With fewer there is no room for connections and for those that are only refused. */
const leastFiles = 256;

export interface Server {
  /** What it does at the moment, in a few words: channels that are on, and watchers. */
  readonly summary: string;
  /**
   * Reads the certificate anew. Says in the log what came of it; never rejects for that. (Settings that can change are read where
   * they are needed: see settings/options.ts.)
   */
  reload(): Promise<void>;
  /**
   * Stops in order: nothing new begins, every peer still gets what is due to it, within shutdown_grace. Until then, and for a moment more,
   * watchers whose stream is over can ask how it ended.
   */
  stop(): Promise<void>;
}

/** What `make` makes of a setting's value, made anew once that is another. */
function derived<V, T>(value: () => V, make: (value: V) => T): () => T {
  let made: { readonly of: V; readonly it: T } | undefined;
  return () => {
    const of = value();
    if (made === undefined || made.of !== of) made = { of, it: make(of) };
    return made.it;
  };
}

/**
 * Starts a server; what is put into `options` afterwards holds from then on. `passed` are sockets that listen already, in place of
 * addresses. Rejects with FstreamError `failed` for an address, a socket or a certificate that can't be used.
 */
export async function startServer(
  options: Options,
  authenticator: Authenticator,
  log: Log,
  passed: readonly PassedSocket[] = [],
): Promise<Server> {
  const clock = new SystemClock(log);
  const matcher = derived(() => options.trustedProxies, addressMatcher);
  const trusted = (address: string) => matcher()(address);
  const tokens = new Tokens(options, () => clock.nowMs());
  const relay = new Relay(options, clock, constantTimeEquals(), channelLog(log));
  const exempt = (address: string) => isLoopback(address) || trusted(address);
  const maxConnections = derived(
    () => options.maxConnections,
    (wanted) => connectionLimit(wanted, log),
  );
  // So that what is wrong is found now.
  maxConnections();
  const limits = new ConnectionLimits({
    get maxConnections() {
      return maxConnections();
    },
    get maxConnectionsPerIp() {
      return options.maxConnectionsPerIp;
    },
    exempt,
  });
  const ends = new EndRecords(
    {
      // All may end at once, and have come back for more before all of them have asked.
      get max() {
        return 2 * maxConnections();
      },
      get maxPerNetwork() {
        return 2 * options.maxConnectionsPerIp;
      },
      networkOf: (address) => (exempt(address) ? undefined : networkOf(address)),
      random: randomBytes,
    },
    clock,
  );
  const adminToken = derived(
    () => options.adminTokenFile,
    (path) => (path === undefined ? undefined : new AdminToken(path)),
  );
  // One that can't be used is found when the server starts, not when it is needed.
  await adminToken()?.read();
  const places = new WaitingPlaces(options, exempt);
  const access = new Access(
    {
      relay,
      authenticator,
      tokens,
      limits,
      guesses: new Throttle({ nowMs: () => clock.nowMs(), sleep: Bun.sleep }),
      places,
      rewinds: new Rewinds(options, {
        nowMs: () => clock.nowMs(),
        exempt,
        exhausted: (address) =>
          log.repeated(
            `rewinds ${networkOf(address)}`,
            `watchers from ${address} have used up their rewinds for this minute ` +
              "(max_rewinds_per_ip): they start closer to live",
          ),
      }),
      adminToken,
    },
    options,
  );
  const listening: Listening = {};
  const polling = new Polling(new Epoll(), (error) => log.repeated("failed", reasonOf(error)));
  relay.sources = polling;
  relay.sendBatch = sendBatch;
  const services: Services = {
    access,
    listening,
    acknowledgements: new Acknowledgements(clock),
    ends,
    clock,
    log,
    options,
    // One that floods leaves what it has read to its watchers before it reads on.
    turns: new Turns(clock, (one) => one.turn(), true),
    polling,
  };
  const metrics = new Metrics({ relay, access, limits, places, version: build.version });
  const httpLog = log.scope("http");
  const api = new Api({
    relay,
    access,
    clock,
    listening,
    log: httpLog,
    metrics: async () => metrics.families(await processFigures()),
    options,
  });
  const http = {
    ...services,
    log: httpLog,
    trusted,
    limits,
    get frameAncestors() {
      return options.frameAncestors;
    },
    api,
    parts: new Parts(clock),
  };
  const sockets = new Sockets(
    (connection) => new Session(connection, services),
    limits,
    log.scope("sockets"),
  );
  const exchanges = new Sockets((connection) => new Exchange(connection, http), limits, http.log);

  const { listen, tlsListen, httpsListen, httpListen } = options;
  const adopted = assignSockets(passed, {
    listen,
    tls_listen: tlsListen,
    https_listen: httpsListen,
    http_listen: httpListen,
  });
  const isSecure = (setting: string, at: ListenAddress | undefined) =>
    at !== undefined || adopted.has(setting);
  const renewal =
    !isSecure("tls_listen", tlsListen) && !isSecure("https_listen", httpsListen)
      ? undefined
      : await Renewal.begin(await certificateOf(options), clock, log.scope("tls"));
  const tls = renewal && (() => renewal.pair);
  const plans = [
    { name: "tcp", setting: "listen", at: listen, tls: undefined, on: sockets },
    { name: "tls", setting: "tls_listen", at: tlsListen, tls, on: sockets },
    { name: "https", setting: "https_listen", at: httpsListen, tls, on: exchanges },
    { name: "http", setting: "http_listen", at: httpListen, tls: undefined, on: exchanges },
  ] as const;
  try {
    for (const { name, setting, at, tls, on } of plans) {
      const given = adopted.get(setting);
      for (const socket of given ?? []) {
        on.adopt(socket.descriptor, tls);
        listening[name] = socket;
        log.info(`listening on ${name} ${addressText(socket)}, passed by the service manager`);
      }
      if (at === undefined || given !== undefined) continue;
      const bound = bind({ ...at, setting, tls }, on);
      listening[name] = bound;
      log.info(`listening on ${name} ${addressText(bound)}`);
    }
  } catch (error) {
    renewal?.stop();
    sockets.stopListening();
    exchanges.stopListening();
    throw error;
  }
  if (renewal !== undefined && options.tlsCert === undefined)
    log.info(`the certificate is self-signed; clients can pin it: --fingerprint ${renewal.pair.fingerprint}`);

  const revocations = new Revocations({ relay, authenticator, clock, log });
  return {
    get summary() {
      const there = [...relay.channels, ...relay.draining];
      const channels = there.filter(({ state }) => state === "live" || state === "held").length;
      const watchers = there.reduce((sum, each) => sum + each.watchers, 0);
      return `${counted(channels, "channel")}, ${counted(watchers, "watcher")}`;
    },
    reload: async () => {
      // Says whether that is possible at all.
      maxConnections();
      await renewal?.read();
    },
    stop: async () => {
      const graceMs = options.shutdownGraceMs;
      renewal?.stop();
      revocations.stop();
      access.stop();
      exchanges.stopListening();
      exchanges.stop();
      sockets.stop();
      relay.stop();
      await Promise.all([exchanges.drained(graceMs), sockets.drained(graceMs).then(() => ends.asked())]);
      sockets.stopListening();
    },
  };
}

interface At {
  /** The setting that says so. */
  readonly setting: string;
  readonly host: string;
  readonly port: number;
  readonly tls: (() => KeyPair) | undefined;
}

/** Binds to the address, or to all of them: those of both families where the machine has IPv6, else IPv4's. */
function bind(at: At, sockets: Sockets): ListenPlace {
  const hosts = at.host === "" ? ["::", "0.0.0.0"] : [at.host];
  let failure: unknown;
  for (const host of hosts) {
    try {
      const port = sockets.listen({ ...at, host });
      return { host, port };
    } catch (error) {
      failure ??= error;
      if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") break;
    }
  }
  // Where it has no reason, the runtime could not find the host.
  const reason = systemReason(failure) ?? `no address found for ${at.host}`;
  const { code } = failure as NodeJS.ErrnoException;
  throw new FstreamError("failed", `can't listen on ${at.host}:${at.port} (${at.setting}): ${reason}`, {
    hint: `${remedy(code, at.port)}choose another address with --${at.setting.replaceAll("_", "-")} ADDRESS`,
    cause: failure,
  });
}

/** What helps against an address that can't be had, but for another one. */
function remedy(code: string | undefined, port: number): string {
  if (code === "EADDRINUSE") return "another fstream may be running: stop it, or ";
  if (code !== "EACCES" || port >= 1024) return "";
  if (process.platform !== "linux") return "ports below 1024 need root: ";
  // A file capability on the binary is no remedy: it would be anybody's for any script (SECURITY.md, "The environment").
  return (
    "ports below 1024 need CAP_NET_BIND_SERVICE: use AmbientCapabilities= or a socket unit of systemd (docs/systemd.md), " +
    "or lower net.ipv4.ip_unprivileged_port_start with sysctl; or "
  );
}

async function certificateOf({ tlsCert, tlsKey, stateDir }: Options): Promise<CertificateSource> {
  return tlsCert !== undefined && tlsKey !== undefined
    ? namedCertificate(tlsCert, tlsKey)
    : await ownCertificate(stateDir);
}

/** No more connections than files that can be open: at that limit a process only spins. */
function connectionLimit(wanted: number, log: Log): number {
  const files = openFileLimit();
  if (files !== undefined && files < leastFiles) {
    throw new FstreamError("failed", `a limit of ${files} open files leaves none for connections`, {
      hint: `raise the limit to at least ${leastFiles} (ulimit -n, or LimitNOFILE= in systemd)`,
    });
  }
  if (files === undefined || wanted + reservedFiles <= files) return wanted;
  const possible = files - reservedFiles - refusalPlaces;
  log.warn(
    `max_connections is ${wanted}, but only ${files} files may be open (ulimit -n): limited to ${possible} connections`,
  );
  return possible;
}
