import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runtimeVariables } from "../support/runtime-variables.ts";
import { temporaryFolder } from "../storage/folder.ts";

/** What an operator mistook for another place: each command names it, and says what is wrong with it. */
const folder = temporaryFolder();
const main = join(import.meta.dir, "../../core/main.ts");

const run = (data: string, words: string, env: Readonly<Record<string, string>> = {}) => {
  const { status, stderr } = spawnSync(process.execPath, [main, ...words.split(" ")], {
    cwd: folder.path,
    env: { PATH: process.env.PATH, HOME: folder.path, ...runtimeVariables, PORT: "0", LLM_PROXY_DATA: data, ...env },
    encoding: "utf8",
    // One that takes the place for a right one serves.
    timeout: 15_000,
  });
  return { status, said: stderr };
};
const refused = (...parts: readonly string[]) => ({
  status: 1,
  // The matcher stands for a text that matches.
  said: expect.stringMatching(new RegExp(parts.join(".*"))) as unknown as string,
});

test.each(["serve", "migrate"])("a data folder that is none: %s", (words) => {
  const [file, link] = [folder.file(), folder.file()];
  writeFileSync(file, "");
  symlinkSync(folder.file(), link);
  expect(run(file, words)).toEqual(refused(file, "is no folder"));
  expect(run(join(file, "below"), words)).toEqual(refused(join(file, "below"), "is no folder"));
  expect(run(link, words)).toEqual(refused(link, "is no folder"));
});

test("a data folder that is none, or that cannot be looked into: a plan does not take it for a new one", () => {
  const [file, circle] = [folder.file(), folder.file()];
  writeFileSync(file, "");
  symlinkSync(circle, circle);
  expect(run(file, "plan")).toEqual(refused("what was applied last cannot be read", "ENOTDIR", file));
  expect(run(circle, "plan")).toEqual(refused("what was applied last cannot be read", "ELOOP", circle));
});

test.each(["doctor", "audit verify", "backup copy.db", "admin-token --new", "doctor --repair"])(
  "no database where one is asked for: %s",
  (words) => {
    const file = folder.file();
    writeFileSync(file, "");
    expect(run(file, words)).toEqual(refused("there is no database at", file));
    const data = folder.file();
    const database = join(data, "llm-proxy.db");
    mkdirSync(database, { recursive: true });
    expect(run(data, words)).toEqual(refused(database, "is a folder"));
  },
);

test("an empty database without a secret beside it: new, unless a process has served with the folder", () => {
  const data = folder.file();
  const database = join(data, "llm-proxy.db");
  const env = { LLM_PROXY_SECRET: "a secret of the environment" };
  mkdirSync(data);
  writeFileSync(database, "");
  writeFileSync(join(data, "applied-config.json"), "{}");
  expect(run(data, "migrate", env)).toEqual(refused(database, "is empty, but", "applied-config.json is there"));
  expect(statSync(database).size).toBe(0);
  rmSync(join(data, "applied-config.json"));
  expect(run(data, "migrate", env)).toEqual({ status: 0, said: "" });
});

test("a folder in the place of a file that a start needs", () => {
  for (const [name, ...said] of [
    ["llm-proxy.db", "cannot be opened"],
    ["llm-proxy.db.lock", "cannot be taken"],
    ["secret", "cannot be read"],
  ] as const) {
    const data = folder.file();
    mkdirSync(join(data, name), { recursive: true });
    expect(run(data, "serve")).toEqual(refused(join(data, name), ...said));
  }
});

test("a lock that is no lock: no process is said to hold it", () => {
  const data = folder.file();
  const lock = join(data, "llm-proxy.db.lock");
  mkdirSync(data);
  writeFileSync(lock, "this is no database, and nothing that SQLite could lock".repeat(100));
  writeFileSync(`${lock}.pid`, "1");
  const tried = run(data, "serve");
  expect(tried).toEqual(refused(lock, "cannot be taken", "file is not a database"));
  expect(tried.said).not.toContain("in use");
});

test.each(["256.1.1.1", "192.0.2.1"])("an address that is none of this machine's: %s", (host) => {
  expect(run(folder.file(), "serve", { HOST: host })).toEqual(refused(`cannot listen on port 0 of ${host}`));
});
