// fstream.toml(5): every setting, from the table that the loader reads them by, and what may be in a user's file.

import { userKeys } from "../../src/auth/userfile.ts";
import { introduction } from "../../src/settings/reference.ts";
import { type Row, rows } from "../../src/settings/rows.ts";
import { sections } from "../../src/settings/table.ts";
import { heading, literal, markdown, page, subheading, term, title } from "./roff.ts";
import { sentence } from "./texts.ts";

const example = `A server with a public name and a trusted certificate, with TLS:

    [server]
    tls_listen = ":61922"
    tls_cert = "/etc/fstream/fullchain.pem"
    tls_key = "/etc/fstream/privkey.pem"
    public_url = "https://relay.example"

    [fstream]
    users_dir = "/etc/fstream/users"
    max_bitrate = 20000000

A user, users/fier.toml:

    password = "correct horse"
    channels = ["default", "cam*"]`;

/** The page. `date` is YYYY-MM-DD. */
export function settingsPage(version: string, date: string): string {
  return page([
    title("fstream.toml", 5, date, `fstream ${version}`),
    heading("name"),
    "fstream.toml \\- settings and users of the fstream server\n",
    heading("description"),
    markdown(introduction),
    heading("settings"),
    markdown("Each setting with its default and allowed values."),
    ...Object.entries(sections).flatMap(([section, about]) => [
      subheading(`[${section}]`),
      markdown(sentence(about)),
      ...rows.filter((row) => row.section === section).map(entry),
    ]),
    heading("users"),
    markdown(
      "A user is a file, `NAME.toml`, in the folder users_dir; `fstream user` writes it. The server reads it at each login. A user whose file has an error can't log in; `fstream check` reports the error. The keys:",
    ),
    ...Object.entries(userKeys).map(([key, text]) => term(literal(key), sentence(text))),
    markdown(
      "`NAME.ini` files of the original server have the same keys in `[DEFAULT]`, without quotes, and with commas between the items of a list.",
    ),
    heading("examples"),
    markdown(example),
    heading("see also"),
    ".BR fstream (1)\n",
  ]);
}

function entry({ flag, setting }: Row): string {
  const { name, kind, help, why, live } = setting;
  const reasons = why === undefined ? "" : ` Why: ${why}.`;
  const reload = live ? "takes effect on reload" : "takes effect on restart";
  return term(
    `${literal(name)} = ${literal(JSON.stringify(setting.default))}`,
    `${sentence(help)}${reasons}`,
    `${sentence(kind.range)} Flag \`--${flag}\`; ${reload}.`,
  );
}
