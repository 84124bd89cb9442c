// The secrets that tests give to the program, and a look for them in what it says: no log line and no message may hold a password or a
// token, in whichever form it was sent. A short one, such as 123, is also a number in many a line: it counts where it
// stands as a value does, behind = : " or '.

const keys = /(?:user|channel|watcher)_password|token/;
const shortLength = 6;
/** With fewer characters there is nothing to look for. */
const leastLength = 3;

const patterns = new Map<string, RegExp>();

/** From now on nothing may say that. */
export function isSecret(secret: string): void {
  for (const form of formsOf(secret)) {
    if (form.length < leastLength || patterns.has(form)) continue;
    const text = RegExp.escape(form);
    patterns.set(form, new RegExp(form.length < shortLength ? `(?<=[=:"'])${text}(?!\\w)` : text));
  }
}

/** As it is, and as JSON, URLs and Basic authentication have it. */
function formsOf(secret: string): string[] {
  const inJson = JSON.stringify(secret).slice(1, -1);
  return [secret, inJson, encodeURIComponent(secret), Buffer.from(secret).toString("base64")];
}

/** Adds what is a secret of the arguments and the environment of a command. */
export function secretsOfCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): void {
  for (const [name, value] of Object.entries(environment))
    if (keyOf(name.replace(/^fserv_arg_/, ""))) isSecret(value);
  for (const [index, flag] of args.entries()) {
    const [name, value = args[index + 1] ?? ""] = flag.split(/=(.*)/, 2);
    if (name.startsWith("--") && keyOf(name.slice(2).replaceAll("-", "_"))) isSecret(value);
  }
}

/** The same for a request's text: INTENT,KEY=VALUE... */
export function secretsOfRequest(text: string): void {
  const { user = "" } = /,user=(?<user>[^,]*)/.exec(text)?.groups ?? {};
  for (const field of text.split(",").slice(1)) {
    const [name, value = ""] = field.split(/=(.*)/, 2);
    if (!keyOf(name.replace(/\*$/, ""))) continue;
    isSecret(value);
    isSecret(`${user}:${value}`);
  }
}

/** The same for a user's file. */
export function secretsOfUserFile(text: string): void {
  for (const [, value] of text.matchAll(/^password(?:_hash)? *= *"?(.*?)"? *$/gm)) isSecret(value);
}

function keyOf(name: string): boolean {
  return new RegExp(`^(?:${keys.source})$`).test(name);
}

/** The first line of `said` with a secret in it. */
export function lineWithSecret(said: string): string | undefined {
  for (const [form, pattern] of patterns) {
    const at = said.search(pattern);
    if (at < 0) continue;
    const from = said.lastIndexOf("\n", at) + 1;
    return `"${form}" in: ${said.slice(from).split("\n", 1)[0]}`;
  }
  return undefined;
}

/** Throws if a secret stands in what `whose` said. */
export function holdsNoSecret(whose: string, said: string): void {
  const line = lineWithSecret(said);
  if (line !== undefined) throw new Error(`${whose} says a secret: ${line}`);
}
