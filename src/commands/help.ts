// `fstream help`, `fstream help COMMAND` and `--help`: written from the commands themselves.

import { withoutCredentials } from "../client/address.ts";
import { FstreamError } from "../errors.ts";
import { nearest } from "../settings/nearest.ts";
import { commandNames, isCommand, loadCommand, loadCommands } from "./commands.ts";
import { helpText } from "./parse.ts";

/** How the program is called, whatever the command. */
export const calling = `ADDRESS is host, host:port or [IPv6]:port (default port 61920),
fstreams://host:port for the same over TLS (61922); token and --token-from also
take https://host:port (default port 443; fstream servers usually listen on
61921), and status takes only that or http://host:port.
The command may also come first: fstream watch ADDRESS.
Protocol arguments can also be environment variables: fserv_arg_user is --user.
`;

/** What `fstream --help` prints. */
export async function overview(): Promise<string> {
  const commands = await loadCommands();
  const usages = commands.flatMap(({ usage }) => usage.map((way) => `  fstream ${way}\n`));
  const width = Math.max(...commandNames.map((name) => name.length));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`);
  return `fstream relays live byte streams.

usage:
${usages.join("")}  fstream --version | --help | help COMMAND

${lines.join("")}
${calling}`;
}

/** What `fstream help COMMAND` prints; throws `usage` if there is no such command. */
export async function helpFor(name: string): Promise<string> {
  if (!isCommand(name)) throw unknownCommand(name);
  return helpText(await loadCommand(name));
}

/** For what was called without any command. */
export function missingCommand(address: string): FstreamError {
  const shown = withoutCredentials(address);
  return new FstreamError("usage", `missing command: watch, broadcast or token`, {
    hint: `e.g. fstream ${shown} watch, or \`fstream --help\``,
  });
}

/** For a flag where a command should be. */
export function earlyFlag(flag: string): FstreamError {
  const near = nearest(flag, ["--version", "--help"]);
  return new FstreamError("usage", `missing command before ${flag}`, {
    hint:
      near === undefined
        ? "flags come after the command; `fstream --help` lists the commands"
        : `did you mean ${near}?`,
  });
}

export function unknownCommand(word: string): FstreamError {
  const near = nearest(word, commandNames);
  return new FstreamError("usage", `unknown command ${withoutCredentials(word)}`, {
    hint: near === undefined ? "`fstream --help` lists the commands" : `did you mean ${near}?`,
  });
}
