// Prometheus's text format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats): families of samples as
// lines. Pure.

export interface Sample {
  /** Behind the family's name: of a histogram `_bucket`, `_sum` and `_count`. */
  readonly suffix?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric: samples that differ in their labels. */
export interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** A sentence. */
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** Of the answer that carries it. */
export const contentType = "text/plain; version=0.0.4; charset=utf-8";

/** The families as text; those without a sample are left out. */
export function exposition(families: readonly Family[]): string {
  return families
    .filter(({ samples }) => samples.length > 0)
    .map(written)
    .join("");
}

function written({ name, type, help, samples }: Family): string {
  const lines = samples.map(({ suffix = "", labels = {}, value }) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text, /[\\"\n]/g)}"`);
    const set = pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
    return `${name}${suffix}${set} ${number(value)}\n`;
  });
  return `# HELP ${name} ${escaped(help, /[\\\n]/g)}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function escaped(text: string, special: RegExp): string {
  return text.replace(special, (character) => (character === "\n" ? "\\n" : `\\${character}`));
}

/** As Go's ParseFloat reads it. */
export function number(value: number): string {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value);
  return value > 0 ? "+Inf" : "-Inf";
}
