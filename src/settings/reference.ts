// The reference of the settings, made from the table: docs/settings.md, and in it a whole settings file to start from. After a
// change of the table `scripts/docs` writes the page anew, and a test compares the two.

import { type Row, rows } from "./rows.ts";
import { sections } from "./table.ts";

type Section = keyof typeof sections;
const sectionNames = Object.keys(sections) as Section[];

/** What is to be known of all settings, in Markdown. */
export const introduction = `\`fstream serve\` reads the file that \`--config\` names, else \`fstream.toml\` of the working folder, else that of
\`$CONFIGURATION_DIRECTORY\`, which is \`/etc/fstream\` where nothing else is said (on Windows \`%PROGRAMDATA%\\fstream\`); its log says which. What it
leaves out is as said here; without a file everything is. Each key is a flag of \`fstream serve\` too, which beats the
file. \`fstream check\` reports all that is wrong with a file at once.

On SIGHUP (\`systemctl reload\`, \`kill -HUP\`) a running server reads the file again. It takes up at once what has changed, but for the
settings that say here that they need a restart: those its log names. Limits hold for what comes from then on, \`max_bitrate\` and the
timeouts also for what is there. If anything is wrong with the file nothing of it is taken up, and the log says where and what.

- Sizes: \`"64KiB"\`, \`"16MiB"\`, \`"1GiB"\` (powers of 1024), \`"1kB"\`, \`"16MB"\`, \`"1GB"\` (powers of 1000); plain numbers are
  bytes.
- Durations: \`"20ms"\`, \`"10s"\`, \`"2m"\`, \`"1h30m"\`, \`"1d"\`; plain numbers are seconds.
- Addresses to listen on: \`":61920"\` (every address of both families), \`"127.0.0.1:61920"\`, \`"[::1]:61920"\`,
  \`"relay.example:61920"\`; port 0 lets the system choose; \`""\` does not listen.
- Relative paths count from the settings file's folder, or without one from the working folder; those given as flags
  always from the working folder.
`;

/** The reference page of all settings, in Markdown. */
export function reference(): string {
  const parts = sectionNames.map(
    (section) => `## [${section}]: ${sections[section]}\n\n${rowsOf(section).map(entry).join("\n")}`,
  );
  return `# Settings

Made from the table in \`src/settings/table.ts\`; change it there.

${introduction}
${parts.join("\n")}
## A settings file

Every key, with its default. Take the \`#\` from what you change.

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
  return `- **\`${setting.name} = ${written(setting.default)}\`** (\`--${flag} ${setting.kind.placeholder}\`)\n  ${text}\n  It is ${setting.kind.range}.${setting.live ? "" : " **Another value needs a restart.**"}\n`;
}

function written(value: Row["setting"]["default"]): string {
  return JSON.stringify(value); // TOML writes such values as JSON does
}
