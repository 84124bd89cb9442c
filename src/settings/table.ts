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
  listenAddress,
  oneOf,
  optionalFile,
  optionalSecret,
  optionalSite,
  optionalUrl,
  size,
  stateFolder,
} from "./kind.ts";
import { fixed, type Setting, setting } from "./setting.ts";

const second = 1000;
const hour = 3600 * second;
const day = 24 * hour; // durations stay far below 2^31 ms, beyond which timers fire at once
const KiB = 2 ** 10;
const MiB = 2 ** 20;
const GiB = 2 ** 30;
const any = Number.MAX_SAFE_INTEGER;

export const table = {
  server: {
    listen: fixed(setting("listen", listenAddress(), ":61920", "address for fstream's protocol over TCP")),
    tlsListen: fixed(setting("tls_listen", listenAddress(), "", "address for fstream's protocol over TLS")),
    httpsListen: fixed(
      setting(
        "https_listen",
        listenAddress(),
        ":61921",
        "address for HTTPS: web pages, watching and broadcasting, tokens, API, metrics",
      ),
    ),
    httpListen: fixed(
      setting(
        "http_listen",
        listenAddress(),
        "",
        "address for plain HTTP, with everything that https_listen serves, for a reverse proxy; issues tokens only to trusted proxies, and to loopback if public_url is not set",
        "passwords would travel unencrypted",
      ),
    ),
    tlsCert: fixed(
      setting(
        "tls_cert",
        optionalSecret("tls_cert"),
        "",
        "PEM file with the certificate chain, reloaded when it changes; empty: the systemd credential tls_cert if there is one, else a self-signed certificate, created once in state_dir",
      ),
    ),
    tlsKey: fixed(
      setting(
        "tls_key",
        optionalSecret("tls_key"),
        "",
        "PEM file with the private key, without a passphrase; empty: the systemd credential tls_key if there is one",
      ),
    ),
    stateDir: fixed(
      setting(
        "state_dir",
        stateFolder(),
        "",
        "folder for the server's own files; empty: $STATE_DIRECTORY, else ./state",
      ),
    ),
    publicUrl: setting(
      "public_url",
      optionalSite(),
      "",
      "public address of the web pages, such as https://relay.example: shown to broadcasters, and the only site that may log in; the server's own machine then needs the admin token too; empty: unknown",
    ),
    frameAncestors: setting(
      "frame_ancestors",
      frameAncestors(),
      "'self'",
      'sites that may embed the pages in a frame, such as "\'self\' https://example.org"; "*": any',
      "an embedded page can be disguised as part of the site around it (clickjacking)",
    ),
    trustedProxies: setting(
      "trusted_proxies",
      addressBlocks(),
      [],
      "addresses and blocks whose X-Forwarded-For is trusted; list a proxy on this machine too",
      "anyone else could claim any address and evade the per-address limits; requests through an unlisted local proxy look like " +
        "local ones",
    ),
    maxConnections: setting(
      "max_connections",
      integer({ min: 1, max: 1_000_000 }),
      16_000,
      "maximum number of connections; the last 5 % are reserved for broadcasters and tokens, and connections that have not sent a request yet are dropped first",
      "a process that runs out of file descriptors can't serve anyone",
    ),
    maxConnectionsPerIp: setting(
      "max_connections_per_ip",
      integer({ min: 1, max: 1_000_000 }),
      256,
      "maximum number of connections from one address (IPv6: one /64; four times as many from a /56, sixteen times from a /48); " +
        "loopback and trusted proxies are exempt; clients behind a trusted proxy are counted individually",
      "no single peer can use up all connections",
    ),
    maxRewindsPerIp: setting(
      "max_rewinds_per_ip",
      integer({ min: 0, max: 1_000_000 }),
      16,
      "how many times per minute watchers from one address (as above) may start a full backlog back (start=1h); beyond that they start closer " +
        "to live; 0: no limit; loopback and trusted proxies are exempt",
      "a request of a few bytes can trigger megabytes of data",
    ),
    maxWaiting: setting(
      "max_waiting",
      integer({ min: 0, max: 1_000_000 }),
      1000,
      "maximum number of watchers waiting for a channel to go live; one address (IPv6: one /64) may have an eighth of them, a /48 a quarter",
      "waiting costs a peer nothing",
    ),
    handshakeTimeoutMs: setting(
      "handshake_timeout",
      duration({ min: 100, max: hour }),
      "10s",
      "time limit for a peer to send its request",
      "slow handshakes would hold connections indefinitely",
    ),
    maxPreambleBytes: setting(
      "max_preamble",
      size({ min: 2, max: MiB }),
      "8KiB",
      "maximum size of what may precede a request, such as HTTP headers",
      "limits the memory an unknown peer can use",
    ),
    maxRequestBytes: setting(
      "max_request",
      size({ min: 64, max: MiB }),
      "4KiB",
      "maximum size of a request",
      "limits the memory an unknown peer can use",
    ),
    adminTokenFile: setting(
      "admin_token_file",
      optionalSecret("admin_token"),
      "",
      "file with the admin token, which gives access to /metrics and all of /api from other machines, and from this one if public_url is set or it is a trusted proxy; empty: the systemd credential admin_token if there is one, else no token",
      "these reveal private channels and can end broadcasts",
    ),
    logLevel: setting(
      "log_level",
      oneOf(["debug", "info", "warn", "error"]),
      "info",
      "minimum level of log messages",
    ),
    logFormat: setting(
      "log_format",
      oneOf(["text", "json"]),
      "text",
      "plain text, or one JSON object per line with time, level, scope, message and, where they apply, channel and address",
    ),
    logTime: setting(
      "log_time",
      boolean(),
      true,
      "whether text lines start with the time; lines for systemd's journal never do, as it records the time itself",
    ),
    shutdownGraceMs: setting(
      "shutdown_grace",
      duration({ min: 0, max: hour }),
      "10s",
      "how long a stopping server keeps sending watchers the rest of their streams",
      "a stalled watcher must not keep the server from stopping",
    ),
  },
  fstream: {
    usersDir: setting("users_dir", folder(), "users", "folder with one file per user"),
    tokenLifetimeMs: setting(
      "token_lifetime",
      duration({ min: 100, max: day }),
      "2m",
      "how long a token is valid",
      "a token sent over a plain connection can be intercepted, so it should expire soon",
    ),
    plainPasswords: setting(
      "plain_passwords",
      boolean(),
      true,
      "whether passwords of users and watchers are accepted without TLS; false: not even to get a token",
    ),
    backlogBytes: fixed(
      setting(
        "backlog",
        size({ min: 64 * KiB, max: 2 * GiB }),
        "16MiB",
        "how much of each channel is kept: how far a watcher may lag or rewind",
        "each live channel uses up to this much memory",
      ),
    ),
    backlogTimeMs: setting(
      "backlog_time",
      duration({ min: 0, max: day }),
      "2m",
      "about how far back a backlog reaches, but always to the newest join point; 0: as far as its size allows",
      "16 MiB of a radio stream would be a quarter of an hour that nobody asks for",
    ),
    maxBacklogTotalBytes: setting(
      "max_backlog_total",
      size({ min: 64 * KiB, max: any }),
      "1GiB",
      "memory for the backlogs of all channels and other stream data; once it is used up, new broadcasts are " +
        "refused",
      "limits the server's memory, whatever is broadcast",
    ),
    maxLagMs: setting(
      "max_lag",
      duration({ min: 100, max: day, zero: true }),
      "60s",
      "a watcher that falls further behind than this, counted from where it started, skips ahead; 0: only backlog counts",
      "a minute behind is no longer live",
    ),
    maxDelayMs: setting(
      "max_delay",
      duration({ min: 0, max: second }),
      "20ms",
      "how long data may be collected for larger writes while the server is busy; 0: not at all",
      "fewer, larger writes make thousands of watchers much cheaper",
    ),
    minDelayMs: setting(
      "min_delay",
      duration({ min: 0, max: 5 * second }),
      "0s",
      "how long data is always collected before it is sent, busy or not, even if that is longer than max_delay",
      "large audiences cost much less if everybody can wait a third of a second",
    ),
    joinTimeoutMs: setting(
      "join_timeout",
      duration({ min: 0, max: hour }),
      "15s",
      "how long a new watcher waits for a join point before it gets the stream from the newest byte",
      "keyframes are usually less than this far apart, and a stream without any must start at some time",
    ),
    drainTimeoutMs: setting(
      "drain_timeout",
      duration({ min: 0, max: hour }),
      "30s",
      "how long a stream that has ended waits for a stalled watcher",
      "a stalled watcher must not hold on to the stream's memory",
    ),
    slowWatcher: setting(
      "slow_watcher",
      oneOf(["skip", "close"]),
      "skip",
      "whether a watcher that is too far behind skips to the newest join point or is disconnected",
    ),
    broadcasterTimeoutMs: setting(
      "broadcaster_timeout",
      duration({ min: 100, max: day, zero: true }),
      "0s",
      "how long a broadcaster may be silent before it counts as gone; 0: forever (TCP keepalive detects dead peers)",
    ),
    holdMs: setting(
      "hold",
      duration({ min: 0, max: day }),
      "10s",
      "how long watchers are kept for a broadcaster to return after its connection broke",
    ),
    holdEndedMs: setting(
      "hold_ended",
      duration({ min: 0, max: day }),
      "0s",
      "how long watchers are kept after a normal end, for an encoder that a script restarts",
    ),
    takeover: setting(
      "takeover",
      boolean(),
      true,
      "whether a new broadcast replaces one of the same user on the same channel",
    ),
    maxChannelsPerUser: setting(
      "max_channels_per_user",
      integer({ min: 1, max: 1_000_000 }),
      16,
      "maximum number of live channels per user",
      "no single user can use up the memory",
    ),
    maxWatchersPerChannel: setting(
      "max_watchers_per_channel",
      integer({ min: 0, max: 1_000_000 }),
      0,
      "maximum number of watchers per channel; 0: no limit",
    ),
    maxBitrate: setting(
      "max_bitrate",
      bitrate({ min: 8, max: any, zero: true }),
      0,
      "maximum average bit rate of a broadcast, in bits per second, such as 5M (10 seconds' worth may come at once); 0: no limit",
      "every watcher multiplies a broadcast's traffic",
    ),
    listChannels: setting(
      "list_channels",
      boolean(),
      true,
      "whether channels without a password are listed publicly, on the start page and in /api",
    ),
    maxWaitMs: setting(
      "max_wait",
      duration({ min: 0, max: day }),
      "1h",
      "maximum time a watcher may wait for a channel to go live; longer requests are capped",
      "waiting costs a peer nothing",
    ),
  },
  auth: {
    authenticator: setting(
      "authenticator",
      oneOf(["users", "module", "command", "http"]),
      "users",
      "what checks logins: the users folder, or your own module, program or HTTP service",
    ),
    authenticateWatchers: setting(
      "authenticate_watchers",
      boolean(),
      false,
      "whether watchers have to log in too",
    ),
    module: setting(
      "module",
      optionalFile(),
      "",
      'module in TypeScript or JavaScript that exports authenticate, for authenticator = "module"',
    ),
    command: setting(
      "command",
      command(),
      [],
      'program and arguments, run for each login, for authenticator = "command"; a name without a slash is looked up in $PATH',
    ),
    url: setting(
      "url",
      optionalUrl(),
      "",
      'URL that each login is sent to with POST, for authenticator = "http"',
    ),
    timeoutMs: setting(
      "timeout",
      duration({ min: 100, max: 20 * second }),
      "5s",
      "time limit for the answer of a module, program or service",
      "clients give up after half a minute, including time spent in the queue",
    ),
    maxParallel: setting(
      "max_parallel",
      integer({ min: 1, max: 1000 }),
      16,
      "maximum number of logins checked in parallel by a module, program or service; others are queued",
      "a flood of logins would become a flood of processes or requests",
    ),
  },
} as const satisfies Record<string, Record<string, Setting<unknown>>>;

/** What each section of the file is about. */
export const sections: Readonly<Record<keyof typeof table, string>> = {
  server: "listeners, limits and logging",
  fstream: "streams and users",
  auth: "logins",
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
