// `fstream check`: reads everything that the server reads when it starts, and tells all that is wrong with it
// at once, where the server would stop at the first.

import { createPrivateKey, X509Certificate } from "node:crypto";
import { type Folder, readUsers } from "../auth/userstore.ts";
import { FstreamError } from "../errors.ts";
import { readRegularFile } from "../file.ts";
import { examineSettings, type Settings } from "../settings/load.ts";
import type { Command, Invocation } from "./command.ts";

/** What is larger than this is neither a certificate, nor a key, nor a token. Bytes. */
const maxFileBytes = 1024 * 1024;

export const check: Command = {
  name: "check",
  summary: "validates the settings file and the users folder, and says what is wrong",
  usage: ["check [--config FILE]"],
  flags: {
    config: { type: "string", value: "FILE", help: "the settings file (default: ./fstream.toml, if there)" },
  },
  run,
};

async function run({ flags, operands, environment, cwd, terminal }: Invocation): Promise<number> {
  if (operands.length > 0) throw new FstreamError("usage", `check takes no operand: ${operands[0]}`);
  const file = flags.config === undefined ? undefined : String(flags.config);
  const { settings, problems } = await examineSettings({ file, cwd, environment, overrides: {} });
  const errors = [...problems, ...(await fileProblems(settings))].map(
    (problem) => new FstreamError("failed", problem),
  );
  const folder = await readUsers(settings.fstream.usersDir).catch((error: unknown): Folder => {
    if (!(error instanceof FstreamError)) throw error;
    errors.push(error);
    return { users: [], problems: [] };
  });
  errors.push(...folder.problems.map((problem) => new FstreamError("failed", problem)));
  for (const error of errors) terminal.error(error);
  if (errors.length > 0) return 1;

  const { length } = folder.users;
  terminal.say(`settings and ${length} ${length === 1 ? "user" : "users"} are fine`);
  if (!folder.users.some((user) => user.enabled))
    terminal.hint("nobody can broadcast yet: `fstream user add NAME`");
  return 0;
}

/** What is wrong with the files that the settings name. */
async function fileProblems({ server }: Settings): Promise<string[]> {
  const problems: string[] = [];
  const read = async (key: string, path: string | undefined): Promise<Buffer | undefined> => {
    if (path === undefined) return undefined;
    try {
      return await readRegularFile(path, maxFileBytes);
    } catch (error) {
      if (!(error instanceof FstreamError)) throw error;
      problems.push(`${key}: ${path} can't be read: ${error.message}`);
      return undefined;
    }
  };
  const parse = <T>(key: string, path: string | undefined, what: string, make: () => T): T | undefined => {
    try {
      return make();
    } catch (error) {
      problems.push(`${key}: ${path} holds no ${what}: ${(error as Error).message}`);
      return undefined;
    }
  };

  const certText = await read("tls_cert", server.tlsCert);
  const keyText = await read("tls_key", server.tlsKey);
  const cert =
    certText && parse("tls_cert", server.tlsCert, "PEM certificate", () => new X509Certificate(certText));
  const key = keyText && parse("tls_key", server.tlsKey, "PEM key", () => createPrivateKey(keyText));
  if (cert && key && !cert.checkPrivateKey(key)) problems.push("tls_key is not the key of tls_cert");
  if (cert && Date.parse(cert.validTo) < Date.now())
    problems.push(`tls_cert: ${server.tlsCert} has expired: it was valid to ${cert.validTo}`);
  const token = await read("admin_token_file", server.adminTokenFile);
  if (token?.toString().trim() === "") problems.push(`admin_token_file: ${server.adminTokenFile} is empty`);
  return problems;
}
