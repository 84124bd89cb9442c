// The users folder is read again when it has changed, and when it can't be known, and else not.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Listing } from "../../src/auth/listing.ts";
import { listFiles } from "../../src/auth/userstore.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fstream-listing-"));
  await writeFile(join(folder, "fier.toml"), "");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A listing that looks at its folder `laterMs` after the last change, and how often it was read. */
function listing(laterMs: number) {
  const state = { reads: 0 };
  const read = (path: string) => {
    state.reads++;
    return listFiles(path);
  };
  return { state, files: new Listing(folder, read, () => Date.now() + laterMs) };
}

test("a folder that has not changed for a while is read once", async () => {
  const { files, state } = listing(10_000);
  for (let i = 0; i < 3; i++) {
    const { set, list } = await files.files();
    expect([[...set], list]).toEqual([["fier.toml"], ["fier.toml"]]);
  }
  expect(state.reads).toBe(1);
});

test("a folder that has changed is read again, whatever its time of change was set to", async () => {
  const { files, state } = listing(10_000);
  await files.files();
  await writeFile(join(folder, "ann.toml"), "");
  expect((await files.files()).set).toEqual(new Set(["fier.toml", "ann.toml"]));
  await rm(join(folder, "fier.toml"));
  await utimes(folder, new Date(0), new Date(0));
  expect((await files.files()).set).toEqual(new Set(["ann.toml"]));
  await writeFile(join(folder, "bob.toml"), "");
  await utimes(folder, new Date(0), new Date(0));
  expect((await files.files()).list.length).toBe(2);
  expect(state.reads).toBe(4);
});

test("a folder that has just changed is read each time, as its clock may be too coarse to tell", async () => {
  const { files, state } = listing(0);
  for (let i = 0; i < 3; i++) await files.files();
  expect(state.reads).toBe(3);
});
