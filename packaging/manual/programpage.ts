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

const description = `\`fstream\` relays byte streams live.
It is server and client in one: what a broadcaster writes into \`fstream broadcast\` is what any number of \`fstream watch\`
write out, and browsers and players get the same over HTTP.
A watcher that joins late gets the container's header and the newest place to start; one that is too slow skips to the next clean start,
and costs no other peer anything.

Standard output carries the stream or the result that was asked for, and nothing else; messages go to standard error.

${calling}`;

const variables: Readonly<Record<string, string>> = {
  STATE_DIRECTORY: "`serve`: the folder for what the server keeps, where state_dir is not set",
  CONFIGURATION_DIRECTORY:
    "where the settings file is looked for, after the working folder; /etc/fstream if it is not set",
  PROGRAMDATA:
    "on Windows: where the folder fstream with the settings file is looked for, after the working folder",
  CREDENTIALS_DIRECTORY:
    "`serve`: systemd's credentials tls_cert, tls_key and admin_token, for the files that the settings do not name",
  NOTIFY_SOCKET:
    "`serve`: the socket on which systemd is told that the server is ready, reloads and stops, and what it does",
  WATCHDOG_USEC:
    "`serve`: within how many microseconds systemd has to hear of the server again, with WATCHDOG_PID",
  LISTEN_FDS: "`serve`: how many sockets systemd passes, with LISTEN_PID and LISTEN_FDNAMES",
  JOURNAL_STREAM: "messages that go to systemd's journal have its priorities in front",
};

const files: Readonly<Record<string, string>> = {
  "./fstream.toml": "the settings, see `fstream.toml`(5)",
  "/etc/fstream/fstream.toml": "the settings where the working folder has none",
  "users/NAME.toml":
    "a user, in the folder of the setting users_dir: what may be in it is in `fstream.toml`(5)",
  "state/self-signed.pem":
    "the certificate that the server makes for itself, in the folder of the setting state_dir",
};

const examples = `A server, and its first user:

    fstream user add fier
    fstream serve

A broadcast of the screen, from another machine:

    export fserv_arg_user=fier fserv_arg_user_password=PASSWORD
    ffmpeg -f x11grab -i :0 -c:v libx264 -preset veryfast \\
      -tune zerolatency -pix_fmt yuv420p -g 60 -f mpegts - |
      fstream relay.example broadcast --retry

Watching it, and recording it whenever it is live:

    fstream relay.example watch --user fier | ffplay -i -
    fstream relay.example watch --user fier --wait --retry > it.ts

The same without the password on the wire, and with all of it encrypted:

    ... | fstream relay.example broadcast --user fier \\
      --user-password-file secret \\
      --token-from https://relay.example:61921
    ... | fstream fstreams://relay.example broadcast --user fier \\
      --user-password-file secret

What is live, on this machine's server and on another:

    fstream status
    fstream https://relay.example:61921 status --watch

Before a reload, whether the settings are right:

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
      "A value that begins with a dash is given as `--FLAG=VALUE`; so is one that may be left out (`--FLAG[=VALUE]`).",
    ),
    ...commands.map(section),
    subheading("Others"),
    markdown(
      "`fstream help COMMAND` shows the flags of a command, `fstream --version` what this program is, with `--json` for scripts.",
    ),
    heading("environment"),
    ...variablesOfArguments().map(([name, text]) => term(literal(name), text)),
    ...Object.entries(variables).map(([name, text]) => term(literal(name), sentence(text))),
    heading("files"),
    ...Object.entries(files).map(([name, text]) => term(path(name), sentence(text))),
    heading("exit status"),
    ...Object.entries(exitStatuses).map(([status, text]) => term(literal(status), sentence(text))),
    term(literal("130, 143"), "Ended by SIGINT (Ctrl-C) or SIGTERM."),
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
    ...(name === "serve" ? [markdown("Its settings, which `fstream.toml`(5) explains, are flags too.")] : []),
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
