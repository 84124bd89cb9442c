// The reference of the settings, made from the table: docs/settings.md, and in it a whole settings file to start from. After a
// change of the table `scripts/docs` writes the page anew, and a test compares the two.

import { type Row, rows } from "./rows.ts";
import { sections } from "./table.ts";

type Section = keyof typeof sections;
const sectionNames = Object.keys(sections) as Section[];

/** What applies to all settings, in Markdown. */
export const introduction = `\`fstream serve\` reads the file given with \`--config\`, else \`fstream.toml\` in the working folder, else the one in
\`$CONFIGURATION_DIRECTORY\`, by default \`/etc/fstream\` (on Windows \`%PROGRAMDATA%\\fstream\`); its log says which. Keys left out have the
defaults below. Each key is also a flag of \`fstream serve\`, which overrides the file. \`fstream check\` reports everything that is wrong with a file
at once.

On SIGHUP (\`systemctl reload\`, \`kill -HUP\`) a running server reads the file again. Changes take effect at once, except for settings
marked below as needing a restart: the log names those. New limits apply to what comes afterwards, \`max_bitrate\` and the timeouts to
running streams too. If anything is wrong with the file, nothing changes, and the log says where and what.

- Sizes: \`"64KiB"\`, \`"16MiB"\`, \`"1GiB"\` (powers of 1024), \`"1kB"\`, \`"16MB"\`, \`"1GB"\` (powers of 1000); plain numbers are
  bytes.
- Durations: \`"20ms"\`, \`"10s"\`, \`"2m"\`, \`"1h30m"\`, \`"1d"\`; plain numbers are seconds.
- Listen addresses: \`":61920"\` (all addresses, IPv4 and IPv6), \`"127.0.0.1:61920"\`, \`"[::1]:61920"\`,
  \`"relay.example:61920"\`; with port 0 the system picks one; \`""\` turns the listener off.
- Relative paths are relative to the settings file's folder, or without a file to the working folder; on the command line always
  to the working folder.
`;

/** The reference page of all settings, in Markdown. */
export function reference(): string {
  const parts = sectionNames.map(
    (section) => `## [${section}]: ${sections[section]}\n\n${rowsOf(section).map(entry).join("\n")}`,
  );
  return `# Settings

Generated from \`src/settings/table.ts\`; make changes there.

${introduction}
${parts.join("\n")}
## A settings file

Every key with its default. Remove the \`#\` from those you change.

\`\`\`toml
${exampleSettings()}\`\`\`
`;
}

/** A settings file with every key explained, each at its default and commented out (`#key`, text `# text`). */
export function exampleSettings(): string {
  const parts = sectionNames.map((section) => {
    const keys = rowsOf(section).map(({ setting }) => {
      const why = setting.why === undefined ? "" : `# (${setting.why})\n`;
      return `# ${setting.help}\n${why}#${setting.name} = ${written(setting.default)}\n`;
    });
    return `[${section}] # ${sections[section]}\n\n${keys.join("\n")}`;
  });
  return parts.join("\n");
}

function rowsOf(section: Section): readonly Row[] {
  return rows.filter((row) => row.section === section);
}

function entry({ flag, setting }: Row): string {
  const why = setting.why === undefined ? "" : ` Why: ${setting.why}.`;
  const text = `${setting.help[0].toUpperCase()}${setting.help.slice(1)}.${why}`;
  const value = typeof setting.default === "boolean" ? "[=true|false]" : ` ${setting.kind.placeholder}`;
  return `- **\`${setting.name} = ${written(setting.default)}\`** (\`--${flag}${value}\`)\n  ${text}\n  Value: ${setting.kind.range}.${setting.live ? "" : " **A change needs a restart.**"}\n`;
}

function written(value: Row["setting"]["default"]): string {
  return JSON.stringify(value); // TOML writes such values as JSON does
}
