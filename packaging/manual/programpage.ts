// fstream(1): every command with its flags, from the table that the help is written from.

import { argumentsOf, flagOf, variablePrefix } from "../../src/commands/arguments.ts";
import type { Command, Flag } from "../../src/commands/command.ts";
import { calling } from "../../src/commands/help.ts";
import { flagsOf } from "../../src/commands/parse.ts";
import { exitStatuses } from "../../src/errors.ts";
import {
  heading,
  literal,
  markdown,
  page,
  path,
  subheading,
  synopses,
  synopsis,
  term,
  title,
} from "./roff.ts";
import { sentence } from "./texts.ts";

const description = `\`fstream\` relays live byte streams.
It is both server and client: what a broadcaster pipes into \`fstream broadcast\` comes out of any number of \`fstream watch\`,
and browsers and players get it over HTTP.
A watcher that joins late gets the container's header and starts at the newest join point; one that is too slow skips to a newer
join point, without affecting the others.

Standard output carries only the stream or the requested result; messages go to standard error.

${calling}`;

const variables: Readonly<Record<string, string>> = {
  STATE_DIRECTORY: "`serve`: the folder for the server's state, if state_dir is not set",
  CONFIGURATION_DIRECTORY:
    "where the settings file is looked for if the working folder has none; /etc/fstream if not set",
  PROGRAMDATA:
    "on Windows: the settings file is looked for in its folder fstream if the working folder has none",
  CREDENTIALS_DIRECTORY:
    "`serve`: systemd's credentials tls_cert, tls_key and admin_token, used for files that the settings do not name",
  NOTIFY_SOCKET:
    "`serve`: the socket for telling systemd that the server is ready, reloads or stops, and its status",
  WATCHDOG_USEC: "`serve`: systemd's watchdog timeout in microseconds, with WATCHDOG_PID",
  LISTEN_FDS: "`serve`: the number of sockets that systemd passes, with LISTEN_PID and LISTEN_FDNAMES",
  JOURNAL_STREAM: "messages to systemd's journal start with a priority",
};

const files: Readonly<Record<string, string>> = {
  "./fstream.toml": "the settings; see `fstream.toml`(5)",
  "/etc/fstream/fstream.toml": "the settings if the working folder has none",
  "users/NAME.toml": "a user, in the folder users_dir; its format is in `fstream.toml`(5)",
  "state/self-signed.pem": "the server's self-signed certificate, in the folder state_dir",
};

const examples = `Add the first user, and start the server:

    fstream user add fier
    fstream serve

Broadcast the screen from another machine:

    export fserv_arg_user=fier fserv_arg_user_password=PASSWORD
    ffmpeg -f x11grab -i :0 -c:v libx264 -preset veryfast \\
      -tune zerolatency -pix_fmt yuv420p -g 60 -f mpegts - |
      fstream relay.example broadcast --retry

Watch it, and record it whenever it is live:

    fstream relay.example watch --user fier | ffplay -i -
    fstream relay.example watch --user fier --wait --retry > it.ts

Broadcast with a token instead of the password, or with everything encrypted:

    ... | fstream relay.example broadcast --user fier \\
      --user-password-file secret \\
      --token-from https://relay.example:61921
    ... | fstream fstreams://relay.example broadcast --user fier \\
      --user-password-file secret

Show what is live, on this machine's server and on another:

    fstream status
    fstream https://relay.example:61921 status --watch

Check the settings before reloading them:

    fstream check && systemctl reload fstream`;

/** The page. `date` is YYYY-MM-DD. */
export function programPage(commands: readonly Command[], version: string, date: string): string {
  const usages = commands.flatMap(({ usage }) => usage);
  const others = ["--version [--json]", "--help", "help COMMAND"];
  return page([
    title("fstream", 1, date, `fstream ${version}`),
    heading("name"),
    "fstream \\- live relay for byte streams\n",
    heading("synopsis"),
    synopses([...usages, ...others].map((way) => `fstream ${way}`)),
    heading("description"),
    markdown(description),
    heading("commands"),
    markdown(
      "Write `--FLAG=VALUE` for a value that starts with a dash, and for an optional value (`--FLAG[=VALUE]`).",
    ),
    ...commands.map(section),
    subheading("Others"),
    markdown(
      "`fstream help COMMAND` shows the flags of a command. `fstream --version` prints the version, with `--json` as JSON.",
    ),
    heading("environment"),
    ...variablesOfArguments().map(([name, text]) => term(literal(name), text)),
    ...Object.entries(variables).map(([name, text]) => term(literal(name), sentence(text))),
    heading("files"),
    ...Object.entries(files).map(([name, text]) => term(path(name), sentence(text))),
    heading("exit status"),
    ...Object.entries(exitStatuses).map(([status, text]) => term(literal(status), sentence(text))),
    term(literal("130, 143"), "Interrupted by SIGINT (Ctrl-C) or SIGTERM."),
    heading("examples"),
    markdown(examples),
    heading("see also"),
    ".BR fstream.toml (5),\n.BR ffmpeg (1),\n.BR systemctl (1)\n",
  ]);
}

function section(command: Command): string {
  const { name, usage, summary, notes } = command;
  const flags = Object.entries(flagsOf(command)).map(([flag, row]) =>
    term(flagHead(flag, row), sentence(row.help)),
  );
  return [
    subheading(literal(name)),
    synopses(usage.map((way) => `fstream ${way}`)),
    markdown(notes === undefined ? sentence(summary) : `${sentence(summary)}\n\n${notes}`),
    ...(name === "serve" ? [markdown("Every setting of `fstream.toml`(5) is also a flag.")] : []),
    ...flags,
  ].join("");
}

function flagHead(name: string, { short, type, value = "VALUE", optionalValue }: Flag): string {
  const names =
    short === undefined ? literal(`--${name}`) : `${literal(`-${short}`)}, ${literal(`--${name}`)}`;
  if (type === "boolean") return names;
  return `${names}${optionalValue ? `[=${synopsis(value)}]` : ` ${synopsis(value)}`}`;
}

/** The variables of the protocol's arguments, and which commands read them. */
function variablesOfArguments(): readonly (readonly [string, string])[] {
  const readers = new Map<string, string[]>();
  for (const [verb, names] of Object.entries(argumentsOf))
    for (const name of names) readers.set(name, [...(readers.get(name) ?? []), `\`${verb}\``]);
  return [...readers].map(([name, verbs]) => [
    `${variablePrefix}${name}`,
    `${verbs.join(", ")}: as \`--${flagOf(name)}\`.`,
  ]);
}
