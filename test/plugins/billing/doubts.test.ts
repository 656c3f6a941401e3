import { expect, test } from "bun:test";
import ledger from "../../../plugins/billing/ledger.ts";
import { doubtsOf } from "../../../plugins/billing/doubts.ts";
import { fakeContext } from "../../contract/context.ts";
import { defaultPolicy } from "./ledger-fixture.ts";

test.each<[string, string, string, string[]]>([
  ["openai/gpt-5", "1.25", "10", []],
  ["openai/gpt-5", "12", "0.9", []],
  // Per thousand tokens.
  ["openai/gpt-5", "0.00125", "0.01", ["input", "output"]],
  ["openai/gpt-5", "1250", "10", ["input"]],
  ["openai/gpt-5", "0", "10", ["input"]],
  ["lab/model", "0", "0", []],
  ["lab/*", "0.0000003", "0.5", ["input"]],
  ["lab/*", "3", "15000", ["output"]],
  ["openai/*", "0.00125", "0", []],
])("%s at %s and %s: doubts about %j", (target, input, output, items) => {
  expect(doubtsOf([{ target, input, output }]).map(({ item }) => String(item))).toEqual(items);
});

test("they are in the log from the start on, with what is doubted", async () => {
  const context = fakeContext();
  await ledger.setup(defaultPolicy, {
    ...context,
    prices: [{ target: "openai/gpt-5", input: "0.00125", output: "10" }],
  });
  expect(context.seen.logged).toEqual([
    expect.stringMatching(
      /"level":"warn","target":"openai\/gpt-5","item":"input","price":"0\.00125".*looks like a slip/,
    ),
  ]);
});
