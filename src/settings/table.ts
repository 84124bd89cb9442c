// The one table of settings: every key of the settings file with its kind, default, flag and help. The type
// `Settings`, the loader, the flags of `serve`, `fstream check`, the help texts and docs/settings.md all come
// from it; a key is declared here and nowhere else. Properties carry their unit in the name (`maxLagMs` is
// `max_lag`); the flag is the key with dashes (`--max-lag`).

import {
  addressBlocks,
  bitrate,
  boolean,
  command,
  duration,
  folder,
  frameAncestors,
  integer,
  type Kind,
  listenAddress,
  oneOf,
  optionalFile,
  optionalSecret,
  optionalSite,
  optionalUrl,
  size,
  stateFolder,
} from "./kind.ts";

/** One key of the settings file. */
export interface Setting<T> {
  /** Its name in the file. */
  readonly name: string;
  readonly kind: Kind<T>;
  /** As it would be written in the file. */
  readonly default: string | number | boolean | readonly string[];
  /** What it does: lower case, no full stop. */
  readonly help: string;
  /** Why there is such a limit, or why it is what it is. */
  readonly why?: string;
  /** Whether a running server takes up another value on a reload. */
  readonly live: boolean;
  /** What it was called in earlier versions, each as "section.key": such names go on working, and are reported. */
  readonly formerly?: readonly string[];
}

function setting<T>(
  name: string,
  kind: Kind<T>,
  value: Setting<T>["default"],
  help: string,
  why?: string,
): Setting<T> {
  return { name, kind, default: value, help, live: true, ...(why === undefined ? {} : { why }) };
}

/** One that is part of what is running: another value needs a restart. */
function fixed<T>(setting: Setting<T>): Setting<T> {
  return { ...setting, live: false };
}

const second = 1000;
const hour = 3600 * second;
const day = 24 * hour; // durations stay far below 2^31 ms, beyond which timers fire at once
const KiB = 2 ** 10;
const MiB = 2 ** 20;
const GiB = 2 ** 30;
const any = Number.MAX_SAFE_INTEGER;

export const table = {
  server: {
    listen: fixed(setting("listen", listenAddress(), ":61920", "plain TCP")),
    tlsListen: fixed(setting("tls_listen", listenAddress(), "", "the same protocol over TLS")),
    httpsListen: fixed(
      setting(
        "https_listen",
        listenAddress(),
        ":61921",
        "HTTPS: pages, watching and broadcasting over HTTP, tokens, metrics",
      ),
    ),
    httpListen: fixed(
      setting(
        "http_listen",
        listenAddress(),
        "",
        "the same without TLS, for a reverse proxy; gives no tokens but to a trusted proxy, and without public_url to loopback",
        "passwords would travel in the clear",
      ),
    ),
    tlsCert: fixed(
      setting(
        "tls_cert",
        optionalSecret("tls_cert"),
        "",
        "PEM file with the certificate and its chain, read again when it changes; empty: systemd's credential tls_cert if there is one, else a self-signed pair, made once in state_dir",
      ),
    ),
    tlsKey: fixed(
      setting(
        "tls_key",
        optionalSecret("tls_key"),
        "",
        "PEM file with the certificate's key; empty: systemd's credential tls_key if there is one",
      ),
    ),
    stateDir: fixed(
      setting(
        "state_dir",
        stateFolder(),
        "",
        "folder for what the server keeps; empty: $STATE_DIRECTORY, else ./state",
      ),
    ),
    publicUrl: setting(
      "public_url",
      optionalSite(),
      "",
      "where people reach the pages, such as https://relay.example; broadcasters get it, pages of no other name may log in, and this machine needs the admin token too; empty: that is not known",
    ),
    frameAncestors: setting(
      "frame_ancestors",
      frameAncestors(),
      "'self'",
      'which sites may show the pages in a frame, such as "\'self\' https://example.org"; "*": all',
      "a page in another's frame can be made to look like a part of it",
    ),
    trustedProxies: setting(
      "trusted_proxies",
      addressBlocks(),
      [],
      "addresses and blocks whose X-Forwarded-For is believed; a proxy on this machine has to be among them",
      "other peers could claim any address, and so evade what is limited for each address; what comes through a proxy that is not " +
        "known may be taken for this machine's",
    ),
    maxConnections: setting(
      "max_connections",
      integer({ min: 1, max: 1_000_000 }),
      16_000,
      "connections at once; the last 5 % are kept for broadcasters and tokens, and those that have asked for nothing yet make room for others",
      "beyond what the system lets a process open a server only spins",
    ),
    maxConnectionsPerIp: setting(
      "max_connections_per_ip",
      integer({ min: 1, max: 1_000_000 }),
      256,
      "connections at once from one address (IPv6: one /64; four times that from a /56, sixteen times from a /48); " +
        "loopback and trusted proxies are exempt, and the proxies' clients are not",
      "one peer can't take every place",
    ),
    maxRewindsPerIp: setting(
      "max_rewinds_per_ip",
      integer({ min: 0, max: 1_000_000 }),
      16,
      "whole backlogs that watchers of one address (as above) may begin with in a minute (start=1h); beyond that they begin less far " +
        "back, or at the next join point; 0: no limit; loopback and trusted proxies are exempt",
      "a request of a few bytes has a whole backlog sent",
    ),
    maxWaiting: setting(
      "max_waiting",
      integer({ min: 0, max: 1_000_000 }),
      1000,
      "watchers that wait for a channel to go live; of one address (IPv6: one /64) an eighth of that, of a /48 a quarter",
      "a waiting connection costs its peer nothing",
    ),
    handshakeTimeoutMs: setting(
      "handshake_timeout",
      duration({ min: 100, max: hour }),
      "10s",
      "how long a peer may take to send its request",
      "slow handshakes would hold places indefinitely",
    ),
    maxPreambleBytes: setting(
      "max_preamble",
      size({ min: 2, max: MiB }),
      "8KiB",
      "bytes before a request, as large as HTTP headers get",
      "memory that a peer can take before anything is known of it",
    ),
    maxRequestBytes: setting(
      "max_request",
      size({ min: 64, max: MiB }),
      "4KiB",
      "bytes of a request's text",
      "memory that a peer can take before anything is known of it",
    ),
    adminTokenFile: setting(
      "admin_token_file",
      optionalSecret("admin_token"),
      "",
      "file with a token that opens /metrics, and all of /api, to others than this machine, and to it where public_url is set or it is a trusted proxy; empty: systemd's credential admin_token if there is one, else to none",
      "they show what is not public, and end broadcasts",
    ),
    logLevel: setting(
      "log_level",
      oneOf(["debug", "info", "warn", "error"]),
      "info",
      "the least that is logged",
    ),
    logFormat: setting(
      "log_format",
      oneOf(["text", "json"]),
      "text",
      "lines of text, or a JSON object a line with time, level, scope, message and, where they apply, channel and address",
    ),
    logTime: setting(
      "log_time",
      boolean(),
      true,
      "whether lines of text begin with the time; those for systemd's journal never do, as it keeps the time itself",
    ),
    shutdownGraceMs: setting(
      "shutdown_grace",
      duration({ min: 0, max: hour }),
      "10s",
      "how long a stopping server goes on sending watchers what is due to them",
      "a watcher that takes nothing must not keep the server from stopping",
    ),
  },
  fstream: {
    usersDir: setting("users_dir", folder(), "users", "folder with a file for each user"),
    tokenLifetimeMs: setting(
      "token_lifetime",
      duration({ min: 100, max: day }),
      "2m",
      "how long a token can be used after it was given",
      "a token is seen on plain connections: it should be worth nothing soon",
    ),
    plainPasswords: setting(
      "plain_passwords",
      boolean(),
      true,
      "whether passwords of users and watchers are accepted without TLS; false: for tokens neither",
    ),
    backlogBytes: fixed(
      setting(
        "backlog",
        size({ min: 64 * KiB, max: 2 * GiB }),
        "16MiB",
        "kept for each channel: how far a watcher may lag or rewind",
        "memory for each channel that is live",
      ),
    ),
    maxBacklogTotalBytes: setting(
      "max_backlog_total",
      size({ min: 64 * KiB, max: any }),
      "1GiB",
      "the backlogs of all channels together, and what else is kept of their streams; with no room for the smallest a " +
        "broadcast is refused",
      "bounds the server's memory, whatever is broadcast",
    ),
    maxLagMs: setting(
      "max_lag",
      duration({ min: 100, max: day, zero: true }),
      "60s",
      "a watcher further behind than that, counted from where it started, skips; 0: only backlog counts",
      "what is a minute old is no longer live",
    ),
    maxDelayMs: setting(
      "max_delay",
      duration({ min: 0, max: second }),
      "20ms",
      "how long the fan-out may gather bytes for larger writes; 0: never",
      "a thousand watchers cost a fraction when each is written to less often",
    ),
    joinTimeoutMs: setting(
      "join_timeout",
      duration({ min: 0, max: hour }),
      "15s",
      "how long a joiner waits for a join point before it gets the newest byte",
      "longer than any usual distance of keyframes",
    ),
    drainTimeoutMs: setting(
      "drain_timeout",
      duration({ min: 0, max: hour }),
      "30s",
      "how long an ended stream waits for a watcher that takes nothing",
      "a stuck watcher must not pin the stream's memory",
    ),
    slowWatcher: setting(
      "slow_watcher",
      oneOf(["skip", "close"]),
      "skip",
      "whether a watcher that is too far behind goes on at the newest join point or is closed",
    ),
    broadcasterTimeoutMs: setting(
      "broadcaster_timeout",
      duration({ min: 100, max: day, zero: true }),
      "0s",
      "silence after which a broadcaster counts as gone; 0: never, dead peers are found by keepalive",
    ),
    holdMs: setting(
      "hold",
      duration({ min: 0, max: day }),
      "10s",
      "how long watchers are kept for the return of a broadcaster whose connection broke",
    ),
    holdEndedMs: setting(
      "hold_ended",
      duration({ min: 0, max: day }),
      "0s",
      "the same after an orderly end, for an encoder that a script starts again",
    ),
    takeover: setting("takeover", boolean(), true, "whether a user may replace its own broadcast"),
    maxChannelsPerUser: setting(
      "max_channels_per_user",
      integer({ min: 1, max: 1_000_000 }),
      16,
      "channels that one user may have live at once",
      "one user can't take the memory of all",
    ),
    maxWatchersPerChannel: setting(
      "max_watchers_per_channel",
      integer({ min: 0, max: 1_000_000 }),
      0,
      "watchers of one channel at once; 0: no limit",
    ),
    maxBitrate: setting(
      "max_bitrate",
      bitrate({ min: 8, max: any, zero: true }),
      0,
      "bits a second that one broadcaster may send, such as 5M; 0: no limit",
      "every watcher multiplies what a broadcaster sends",
    ),
    listChannels: setting(
      "list_channels",
      boolean(),
      true,
      "whether channels without a password are everybody's to see: on the page, and in /api",
    ),
    maxWaitMs: setting(
      "max_wait",
      duration({ min: 0, max: day }),
      "1h",
      "the longest that a watcher may wait for a channel to go live; a longer one is cut to it",
      "a waiting connection costs its peer nothing",
    ),
  },
  auth: {
    authenticator: setting(
      "authenticator",
      oneOf(["users", "module", "command", "http"]),
      "users",
      "what decides about logins: the users folder, or a module, program or service of your own",
    ),
    authenticateWatchers: setting(
      "authenticate_watchers",
      boolean(),
      false,
      "whether watchers have to log in as well",
    ),
    module: setting(
      "module",
      optionalFile(),
      "",
      'the file in TypeScript or JavaScript that exports authenticate, for authenticator = "module"',
    ),
    command: setting(
      "command",
      command(),
      [],
      'program and arguments, run for each login, for authenticator = "command"; one without a slash is looked for in $PATH',
    ),
    url: setting("url", optionalUrl(), "", 'where each login is sent by POST, for authenticator = "http"'),
    timeoutMs: setting(
      "timeout",
      duration({ min: 100, max: 20 * second }),
      "5s",
      "how long the answer of a module, program or service may take",
      "clients wait for half a minute, the wait for a turn included",
    ),
    maxParallel: setting(
      "max_parallel",
      integer({ min: 1, max: 1000 }),
      16,
      "logins that a module, program or service is asked about at once; others wait",
      "a flood of logins would be one of processes, or of requests to the service",
    ),
  },
} as const satisfies Record<string, Record<string, Setting<unknown>>>;

/** What each section of the file is about. */
export const sections: Readonly<Record<keyof typeof table, string>> = {
  server: "sockets",
  fstream: "streams and users",
  auth: "who is let in",
};

export type Table = typeof table;
type ValueOf<S> = S extends Setting<infer T> ? T : never;

/** Every setting with its value: sizes in bytes, durations in milliseconds, paths absolute. */
export type Settings = {
  readonly [S in keyof Table]: { readonly [P in keyof Table[S]]: ValueOf<Table[S][P]> };
};

/**
 * The values of all settings in one object, as a server runs with them: what it is made of reads them when they are needed, and
 * a reload puts others in their places (options.ts). No two sections have a property of one name.
 */
export type Options = Settings["server"] & Settings["fstream"] & Settings["auth"];
