// Texts taken apart and put together: what one makes, the other understands.

import { expect, test } from "bun:test";
import { formatText, parseText, percentEncode } from "../../src/protocol/text.ts";
import { dice } from "./dice.ts";

const fieldsOf = (text: string) => Object.fromEntries(parseText(text).fields);

test("a text is its first word and the keys that have a value", () => {
  expect(parseText("watch,user=fier,x,=y,z=,a=b=c").word).toBe("watch");
  expect(fieldsOf("watch,user=fier,x,=y,z=,a=b=c")).toEqual({ user: "fier", a: "b=c" });
  expect(parseText("").word).toBe("");
  expect(parseText(",").word).toBe("");
  expect(parseText("ok").fields.size).toBe(0);
});

test("names that objects have by nature are keys like any other", () => {
  expect(parseText("ok,constructor=a,__proto__=b").fields.get("__proto__")).toBe("b");
  expect(parseText("ok").fields.get("constructor")).toBeUndefined();
});

test("what is wrong with a starred key concerns that key alone", () => {
  const { fields, broken } = parseText("ok,a*=%zz,a=plain,b=1");
  expect([...broken]).toEqual(["a"]);
  expect(Object.fromEntries(fields)).toEqual({ b: "1" });
  expect([...parseText("ok,a*=%zz,a*=x").broken]).toEqual([]);
});

test("a key is starred if its value has a comma in it, and only then", () => {
  expect(formatText("watch", [["channel", "a,b"]])).toBe("watch,channel*=a%2Cb");
  const plain = ["a=b", "100%", "%2C", "a b", "ñ", "日本", "a\nb", "*", "a/b"];
  for (const value of plain) expect(formatText("watch", [["channel", value]])).toBe(`watch,channel=${value}`);
});

test("keys without a value are left out, and the order is kept", () => {
  const fields: [string, string][] = [
    ["b", "2"],
    ["none", ""],
    ["a", "1"],
  ];
  expect(formatText("ok", fields)).toBe("ok,b=2,a=1");
  expect(formatText("ok", [])).toBe("ok");
});

test("escapes are those of a URL, in capitals, of what could be misread and of control characters", () => {
  expect(percentEncode("a,b%c\n\0\u001f\u007f")).toBe("a%2Cb%25c%0A%00%1F%7F");
  expect(percentEncode("ñ 日=;/+🎥")).toBe("ñ 日=;/+🎥");
});

test("whatever values are put together come out again", () => {
  const roll = dice(7);
  const alphabet = [
    ",",
    "%",
    "=",
    "*",
    "a",
    "2C",
    "\n",
    "\0",
    "\u007f",
    "\u0085",
    "ñ",
    "日",
    "🎥",
    "%2C",
    " ",
  ];
  const value = () => Array.from({ length: roll(12) }, () => alphabet[roll(alphabet.length)]).join("");
  for (let round = 0; round < 2000; round++) {
    const fields = ["user", "channel", "channel_password"].map((key) => [key, value()] as const);
    const wanted = Object.fromEntries(fields.filter(([, value]) => value !== ""));
    const { word, fields: found, broken } = parseText(formatText("watch", fields));
    expect(word).toBe("watch");
    expect(Object.fromEntries(found)).toEqual(wanted);
    expect(broken.size).toBe(0);
  }
});
