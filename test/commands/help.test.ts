// What `fstream help` prints, for each command.

import { expect, test } from "bun:test";
import { commandNames } from "../../src/commands/commands.ts";
import { helpFor, overview } from "../../src/commands/help.ts";

test("the overview and the help of each command fit into 80 columns", async () => {
  const texts = [await overview(), ...(await Promise.all([...commandNames, "version"].map(helpFor)))];
  for (const text of texts) {
    expect(text).toStartWith(text === texts[0] ? "fstream " : "usage: fstream ");
    expect(text.split("\n").filter((line) => line.length > 80)).toEqual([]);
  }
});

test("the overview lists each command once", async () => {
  const listed = [...(await overview()).matchAll(/^ {2}([a-z]+) {2,}/gm)].map(([, name]) => name);
  expect(listed.toSorted()).toEqual([...commandNames].toSorted());
});
