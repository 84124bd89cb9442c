// Prometheus's text format read back, and the checks that `promtool check metrics` makes (client_golang's promlint): what is
// wrong with an exposition, a line each; nothing for one without fault.

export interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly ParsedSample[];
}

export interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The families of an exposition in the text format 0.0.4; throws for what is none. */
export function parseExposition(text: string): readonly ParsedFamily[] {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const families: { name: string; type: string; help: string; samples: ParsedSample[] }[] = [];
  for (const line of text.slice(0, -1).split("\n")) {
    const [, help, helpName, helpText] = /^# (HELP) (\S+) (.*)$/.exec(line) ?? [];
    const [, type, typeName, kind] = /^# (TYPE) (\S+) (\S+)$/.exec(line) ?? [];
    const last = families.at(-1);
    if (help !== undefined) families.push({ name: helpName, type: "", help: helpText, samples: [] });
    else if (type !== undefined && last?.name === typeName && last.samples.length === 0) last.type = kind;
    else if (last === undefined) throw new Error(`a sample without a family: ${line}`);
    else last.samples.push(parseSample(line, last.name));
  }
  return families;
}

function parseSample(line: string, family: string): ParsedSample {
  const found = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (\S+)$/.exec(line);
  if (found === null || !found[1].startsWith(family)) throw new Error(`no sample of ${family}: ${line}`);
  const [, name, set = "{}", value] = found;
  const labels: Record<string, string> = {};
  let rest = set.slice(1, -1);
  while (rest !== "") {
    const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/.exec(rest);
    if (label === null) throw new Error(`labels that make no sense: ${line}`);
    if (Object.hasOwn(labels, label[1])) throw new Error(`a label twice: ${line}`);
    labels[label[1]] = label[2].replace(/\\(.)/g, (_, one: string) => (one === "n" ? "\n" : one));
    rest = rest.slice(label[0].length);
  }
  const number = value === "+Inf" ? Number.POSITIVE_INFINITY : Number(value);
  if (value !== "NaN" && Number.isNaN(number)) throw new Error(`no number: ${line}`);
  return { name, labels, value: number };
}

const wrongUnits = /(^|_)(milli|micro|nano|kilo|mega|giga|minutes|hours|days|bits|percent)/;
const abbreviations = /(^|_)(s|ms|us|ns|sec|b|kb|mb|gb|tb|pb|m|h|d)(_|$)/;
const types = /(^|_)(counter|gauge|histogram|summary|untyped)(_|$)/;

/** What promlint would say. */
export function problemsOf(families: readonly ParsedFamily[]): readonly string[] {
  const problems: string[] = [];
  const names = new Set<string>();
  for (const { name, type, help, samples } of families) {
    const say = (problem: string) => problems.push(`${name}: ${problem}`);
    if (names.has(name)) say("there twice");
    names.add(name);
    if (help === "") say("no help text");
    if (!["counter", "gauge", "histogram"].includes(type)) say(`its type is ${type}`);
    if ((type === "counter") !== name.endsWith("_total")) say("counters, and they alone, end in _total");
    if (wrongUnits.test(name)) say("no base unit");
    if (abbreviations.test(name)) say("an abbreviated unit");
    if (types.test(name)) say("a type in its name");
    if (!/^[a-z][a-z0-9_]*$/.test(name)) say("not in snake case");
    if (/_(bucket|sum|count)$/.test(name)) say("a histogram's suffix");
    const series = samples.map((sample) => JSON.stringify([sample.name, sample.labels]));
    if (new Set(series).size < series.length) say("a series twice");
    for (const { name: sampleName, labels, value } of samples) {
      if (type !== "histogram" && (sampleName !== name || "le" in labels)) say("parts of a histogram");
      if (type !== "gauge" && !(value >= 0)) say(`a count of ${value}`);
      if (Object.keys(labels).some((label) => !/^[a-z][a-z0-9_]*$/.test(label))) say("a label's name");
    }
    if (type === "histogram") for (const problem of bucketProblems(name, samples)) say(problem);
  }
  return problems;
}

function bucketProblems(name: string, samples: readonly ParsedSample[]): readonly string[] {
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
  const bounds = buckets.map(({ labels }) => Number(labels.le.replace("+Inf", "Infinity")));
  const counts = buckets.map(({ value }) => value);
  const problems: string[] = [];
  if (new Set(bounds).size < bounds.length || !rise(bounds) || bounds.at(-1) !== Number.POSITIVE_INFINITY)
    problems.push("its bounds");
  if (!rise(counts)) problems.push("its buckets are not cumulative");
  const count = samples.find((sample) => sample.name === `${name}_count`)?.value;
  if (count === undefined || counts.at(-1) !== count) problems.push("its count is not the last bucket's");
  if (!samples.some((sample) => sample.name === `${name}_sum`)) problems.push("no sum");
  return problems;
}

function rise(list: readonly number[]): boolean {
  return list.every((value, i) => i === 0 || value >= list[i - 1]);
}

/** The value of the one sample of that name and with those labels; throws if there is not exactly one. */
export function valueOf(
  families: readonly ParsedFamily[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const found = families
    .flatMap(({ samples }) => samples)
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([label, text]) => sample.labels[label] === text));
  if (found.length !== 1) throw new Error(`${found.length} samples of ${name} ${JSON.stringify(labels)}`);
  return found[0].value;
}

/** What promtool says of an exposition; undefined where it is not installed. */
export function promtoolSays(text: string): string | undefined {
  const promtool = Bun.which("promtool");
  if (promtool === null) return undefined;
  const { exitCode, stdout, stderr } = Bun.spawnSync([promtool, "check", "metrics"], {
    stdin: Buffer.from(text),
  });
  return exitCode === 0 ? "" : `${stdout.toString()}${stderr.toString()}`;
}
