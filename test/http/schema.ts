// Whether a value is what a schema of the API's description says (JSON Schema 2020-12, as far as the description uses it). An
// object may not have what its schema does not name: what is not described is a fault here.

import openapi from "../../src/http/openapi.json";

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maxItems?: number;
  readonly maxLength?: number;
  readonly format?: string;
  readonly description?: string;
  readonly examples?: readonly unknown[];
}

const schemas = openapi.components.schemas as unknown as Readonly<Record<string, Schema>>;
const keywords =
  "$ref type enum required properties items minimum maxItems maxLength format description examples";
const known = new Set(keywords.split(" "));

/** What is wrong with `value` as a schema of that name, a line each. */
export function faults(name: keyof typeof openapi.components.schemas, value: unknown): readonly string[] {
  return faultsOf(schemas[name], value, name);
}

function faultsOf(schema: Schema, value: unknown, at: string): readonly string[] {
  const strange = Object.keys(schema).find((keyword) => !known.has(keyword));
  if (strange !== undefined) throw new Error(`${at}: the keyword ${strange} is not looked at here`);
  if (schema.$ref !== undefined)
    return faults(schema.$ref.replace("#/components/schemas/", "") as "Channel", value);
  const found: string[] = [];
  if (schema.type !== undefined && !isOf(schema.type, value)) return [`${at} is no ${schema.type}`];
  if (schema.enum !== undefined && !schema.enum.includes(value)) found.push(`${at} is ${String(value)}`);
  if (typeof value === "number" && value < (schema.minimum ?? value))
    found.push(`${at} is below its minimum`);
  if (typeof value === "string") {
    if (value.length > (schema.maxLength ?? value.length)) found.push(`${at} is too long`);
    if (schema.format !== undefined && !formats[schema.format](value))
      found.push(`${at} is no ${schema.format}`);
  }
  if (Array.isArray(value)) {
    if (value.length > (schema.maxItems ?? value.length)) found.push(`${at} has too many items`);
    const { items = {} } = schema;
    for (const [index, item] of value.entries()) found.push(...faultsOf(items, item, `${at}[${index}]`));
  } else if (typeof value === "object" && value !== null) {
    const { properties = {}, required = [] } = schema;
    for (const name of required) if (!Object.hasOwn(value, name)) found.push(`${at} has no ${name}`);
    for (const [name, member] of Object.entries(value)) {
      const of = properties[name];
      if (of === undefined) found.push(`${at}.${name} is not described`);
      else found.push(...faultsOf(of, member, `${at}.${name}`));
    }
  }
  return found;
}

const formats: Readonly<Record<string, (text: string) => boolean>> = {
  "date-time": (text) =>
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text) && !Number.isNaN(Date.parse(text)),
  "uri-reference": (text) => /^[!#-;=?-Z\]_a-z~%[]+$/.test(text) && URL.canParse(text, "http://localhost"),
};

function isOf(type: string, value: unknown): boolean {
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isSafeInteger(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  return typeof value === type;
}
