import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { answers } from "../support/openai-answers.ts";
import { usageOf } from "../support/rows.ts";
import { setUp } from "../support/setup.ts";

const file = join(import.meta.dir, "..", "fixtures", "plugins", "thrifty.ts");
const setup = await setUp({ config: `billing: { thrifty: { use: "${file}" } }` });
afterAll(setup.stop);

test("a biller that works in what it is given, and keeps what it tells, changes neither the call nor another's charge", async () => {
  const sizes = Array.from({ length: 24 }, (_, at) => ({
    model: `m${at}`,
    promptTokens: 100 + at,
    completionTokens: at,
  }));
  for (const { model, ...answer } of sizes) setup.upstream.on(model, answers(answer));

  const replies = await Promise.all(
    sizes.map(({ model }) => call(setup.gateway, setup.key.key, chat(`mock/${model}`, { max_completion_tokens: 50 }))),
  );

  expect(replies.map(({ callId, status }) => ({ status, row: usageOf(setup.gateway, callId) }))).toMatchObject(
    sizes.map(({ model, promptTokens, completionTokens }) => ({
      status: 200,
      row: {
        upstream_model: model,
        input_tokens: promptTokens,
        output_tokens: completionTokens,
        cost_nano: promptTokens + completionTokens,
        charge_nano: promptTokens + completionTokens,
      },
    })),
  );
});
