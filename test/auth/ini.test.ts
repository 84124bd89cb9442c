// The INI reader against what Python 3.11's RawConfigParser gives for the same text: each vector was made with
// it. `undefined` stands for one of its errors.

import { expect, test } from "bun:test";
import { readIniDefaults } from "../../src/auth/ini.ts";
import { FstreamError } from "../../src/errors.ts";

const vectors: readonly [name: string, text: string, defaults: Record<string, string> | undefined][] = [
  ["the original's example", "[DEFAULT]\npassword=foobar\n", { password: "foobar" }],
  ["space around the delimiter", "[DEFAULT]\n password \t =  foo bar  \n", { password: "foo bar" }],
  ["a colon delimits too", "[DEFAULT]\npassword: a=b\n", { password: "a=b" }],
  ["only the first delimiter counts", "[DEFAULT]\na==b\nc=:d\n", { a: "=b", c: ":d" }],
  [
    "signs inside a value",
    "[DEFAULT]\npassword=a;b #c ;d %(x)s %% $x\n",
    { password: "a;b #c ;d %(x)s %% $x" },
  ],
  ["a value of a comment's sign", "[DEFAULT]\npassword = #x\n", { password: "#x" }],
  ["quotes stay", '[DEFAULT]\npassword="x"\n', { password: '"x"' }],
  ["comments and blank lines", "# a\n\n[DEFAULT]\n; b\n # c\npassword=x\n# d\n", { password: "x" }],
  ["keys in any case", "[DEFAULT]\nPassWord=X\n", { password: "X" }],
  ["keys with spaces", "[DEFAULT]\npass word=x\n", { "pass word": "x" }],
  ["an empty value", "[DEFAULT]\npassword=\n", { password: "" }],
  ["indented lines go on", "[DEFAULT]\npassword=a\n b\n\tc\n", { password: "a\nb\nc" }],
  ["a value that begins on the next line", "[DEFAULT]\npassword=\n b\n", { password: "\nb" }],
  ["an indented section header goes on too", "[DEFAULT]\npassword=a\n [b]\n", { password: "a\n[b]" }],
  ["an indented comment does not", "[DEFAULT]\npassword=a\n # b\n c\n", { password: "a\nc" }],
  [
    "blank lines inside a value stay, behind it they go",
    "[DEFAULT]\na=1\n\n 2\n\n\nb=3\n",
    { a: "1\n\n2", b: "3" },
  ],
  ["a deeper key, not a continuation, after a header", "[DEFAULT]\n  a=1\n  b=2\n", { a: "1", b: "2" }],
  ["less indented than the key before", "[DEFAULT]\n  a=1\n b=2\n", { a: "1", b: "2" }],
  [
    "other sections are other sections",
    "[a]\npassword=x\n[DEFAULT]\npassword=y\n[b]\npassword=z\n",
    { password: "y" },
  ],
  ["names of sections are exact", "[default]\npassword=x\n", {}],
  ["what stands behind a header is passed over", "[DEFAULT] x\npassword=y\n", { password: "y" }],
  ["a header goes to its last bracket", "[DEFAULT]x]\npassword=y\n", {}],
  ["two DEFAULT sections are one", "[DEFAULT]\na=1\n[b]\n[DEFAULT]\nc=2\n", { a: "1", c: "2" }],
  ["line ends of all kinds", "[DEFAULT]\r\na=1\rb=2\r\n\r\n", { a: "1", b: "2" }],
  ["only those end lines", "[DEFAULT]\na=1\u2028b\u0085c\u000bd\n", { a: "1\u2028b\u0085c\u000bd" }],
  ["space as Python knows it", "[DEFAULT]\na=\u3000\x1cx\x85\u00a0\n", { a: "x" }],
  ["a byte order mark inside is no space", "[DEFAULT]\na=\ufeffx\n", { a: "\ufeffx" }],
  ["other scripts", "[DEFAULT]\npassword=пароль 🎉é\n", { password: "пароль 🎉é" }],
  ["nothing at all", "", {}],
  ["no section", "password=x\n", undefined],
  ["a section without a name", "[]\npassword=x\n", undefined],
  ["a key without a value", "[DEFAULT]\npassword\n", undefined],
  ["a value without a key", "[DEFAULT]\n=x\n", undefined],
  ["a key twice", "[DEFAULT]\npassword=x\nPASSWORD=y\n", undefined],
  ["a key twice in two DEFAULT sections", "[DEFAULT]\na=1\n[b]\n[DEFAULT]\na=2\n", undefined],
  ["a key twice in another section", "[DEFAULT]\na=1\n[b]\nc=1\nc=2\n", undefined],
  ["a section twice", "[b]\n[DEFAULT]\na=1\n[b]\n", undefined],
  ["rubbish in another section", "[DEFAULT]\na=1\n[b]\nrubbish\n", undefined],
];

for (const [name, text, defaults] of vectors) {
  test(`${defaults === undefined ? "is an error" : "reads as Python reads it"}: ${name}`, () => {
    if (defaults === undefined) expect(() => readIniDefaults(text)).toThrow(FstreamError);
    else expect(Object.fromEntries(readIniDefaults(text).values)).toEqual(defaults);
  });
}

test("a byte order mark at the beginning is skipped, which Python does not", () => {
  expect(readIniDefaults("\ufeff[DEFAULT]\npassword=x").values.get("password")).toBe("x");
});

test("an error names its line", () => {
  expect(() => readIniDefaults("[DEFAULT]\n\nb=2\nrubbish\n")).toThrow(
    expect.objectContaining({ line: 4, message: "neither a section nor `key = value`" }) as never,
  );
  expect([...readIniDefaults("[other]\nb=1\n[DEFAULT]\n\nA=2\n  more\nb=3\n").lines]).toEqual([
    ["a", 5],
    ["b", 7],
  ]);
});

test("a long run of spaces takes no time to speak of", () => {
  const text = `[DEFAULT]\npassword=${" ".repeat(60_000)}x${" ".repeat(60_000)}y`;
  expect(readIniDefaults(text).values.get("password")).toEndWith("y");
});
