import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { setImmediate as turns } from "node:timers/promises";
import { answers, arrivals, atTurnEnd, step } from "../../core/runtime/turn.ts";

test("those who are gathered go on side by side, and what they ask for at the end of the turn is done then", async () => {
  const told: string[] = [];
  const goes = async (name: string, gathered = arrivals) => {
    await gathered();
    told.push(`${name} first`);
    atTurnEnd(() => told.push(`${name} written`));
    await step;
    told.push(`${name} second`);
    await step;
    told.push(`${name} third`);
  };
  const all = [goes("an answer", answers), goes("one"), goes("two")];
  expect(told).toEqual([]);
  await Promise.all(all);
  expect(told.slice(0, 6)).toEqual(["one first", "two first", "one second", "two second", "one third", "two third"]);
  expect(told.slice(6)).toEqual(["an answer first", "an answer second", "an answer third"]);
  await turns();
  expect(told.slice(9)).toEqual(["one written", "two written", "an answer written"]);
});

test("who comes while the end of a turn is done waits for the next one", async () => {
  const told: string[] = [];
  atTurnEnd(() => {
    told.push("work");
    atTurnEnd(() => told.push("work of the next"));
    void arrivals().then(() => told.push("gathered in the next"));
  });
  await turns();
  expect(told).toEqual(["work"]);
  await turns();
  await turns();
  expect(told).toEqual(["work", "gathered in the next", "work of the next"]);
});

test("who comes back when its crowd has gone on goes on in the next turn, whether or not anybody else comes", async () => {
  const told: string[] = [];
  for (const gathered of [arrivals, answers]) {
    void gathered()
      .then(gathered)
      .then(() => told.push("again"));
    await turns();
    await turns();
    await turns();
  }
  expect(told).toEqual(["again", "again"]);
});

test("work that throws keeps no other from being done, and is told to whoever listens for what nobody caught", () => {
  const script = `
    import { atTurnEnd } from ${JSON.stringify(join(import.meta.dir, "../../core/runtime/turn.ts"))};
    process.on("uncaughtException", ({ message }) => console.log(message));
    atTurnEnd(() => { throw new Error("broken"); });
    for (const name of ["one", "two"]) atTurnEnd(() => console.log(name));`;
  // A test of this runner fails for what nobody caught.
  const { stdout } = spawnSync(process.execPath, ["-e", script], { encoding: "utf8" });
  expect(stdout.split("\n").filter(Boolean)).toEqual(["broken", "one", "two"]);
});
