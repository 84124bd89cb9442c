// `fstream help`, `fstream help COMMAND` and `--help`: written from the commands themselves.

import { withoutCredentials } from "../client/address.ts";
import { FstreamError } from "../errors.ts";
import { nearest } from "../settings/nearest.ts";
import { type Command, takesAddress } from "./command.ts";
import { commandNames, isCommand, loadCommand, loadCommands } from "./commands.ts";
import { helpText } from "./parse.ts";

/** How the program is called, whatever the command. */
export const calling = `ADDRESS is host, host:port or [IPv6]:port (default port 61920), or
fstreams://host:port for TLS (default port 61922). For token and --token-from it
can also be https://host:port (default port 443; most servers use 61921);
status takes https:// or http:// addresses. The command may also come first:
fstream watch ADDRESS. Arguments of the protocol can also be set as environment
variables: fserv_arg_user is --user.
`;

/** The commands for the server's own machine. */
const serverCommands: readonly string[] = ["serve", "user", "check", "auth"];

function isServers({ name }: Command): boolean {
  return serverCommands.includes(name);
}

/** What `fstream --help` prints. */
export async function overview(): Promise<string> {
  const commands = await loadCommands();
  const width = Math.max(...commandNames.map((name) => name.length));
  const list = (isListed: (command: Command) => boolean) =>
    commands
      .filter(isListed)
      .map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`)
      .join("");
  return `fstream relays live byte streams: one program sends, any number receive.

usage: fstream ADDRESS COMMAND [FLAG]...
       fstream COMMAND [FLAG]...

Client, with the server at ADDRESS:
${list((command) => takesAddress(command))}
Server:
${list(isServers)}
Other:
${list((command) => !takesAddress(command) && !isServers(command))}
\`fstream help COMMAND\` shows the flags of a command.
\`fstream version\` prints the version.

${calling}`;
}

/** What `fstream help COMMAND` prints; throws `usage` if there is no such command. */
export async function helpFor(name: string): Promise<string> {
  if (name === "version") return "usage: fstream version [--json]\n\nprint the version\n";
  if (!isCommand(name)) throw unknownCommand(name);
  return helpText(await loadCommand(name));
}

/** For what was called without any command. */
export function missingCommand(address: string): FstreamError {
  const shown = withoutCredentials(address);
  return new FstreamError("usage", "missing command: watch, broadcast, token or status", {
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
  const near = nearest(word, [...commandNames, "help", "version"]);
  return new FstreamError("usage", `unknown command ${withoutCredentials(word)}`, {
    hint: near === undefined ? "`fstream --help` lists the commands" : `did you mean ${near}?`,
  });
}
