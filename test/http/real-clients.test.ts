import { afterAll, describe, expect, test } from "bun:test";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { dialects } from "../../core/dialects/index.ts";
import { aiLoops } from "../support/ai-loops.ts";
import { converses, toolAnswer, turns } from "../support/conversation.ts";
import { invariants } from "../support/invariants.ts";
import { type Loop, runnerLoops } from "../support/loops.ts";
import { until } from "../support/poll.ts";
import { allUsage } from "../support/rows.ts";
import { setUp } from "../support/setup.ts";
import { toldIn } from "../support/told.ts";

/**
 * Applications written with the vendors' own SDKs, each before a provider of every dialect: two rounds of tools with
 * thinking between them end in the provider's answer, the provider hears everything as it said it, and every call is
 * recorded with its exact tokens.
 */
const setup = await setUp({ dialects: dialects.keys() });
afterAll(() => setup.stop());

const calls = turns.flatMap((turn) => turn.calls ?? []);

for (const loop of [...runnerLoops, ...aiLoops]) {
  describe(loop.name, () => {
    for (const target of dialects.keys()) {
      test(`before ${target}`, async () => {
        await converse(loop, target);
        await invariants(setup);
      });
    }
  });
}

async function converse(loop: Loop, target: DialectName): Promise<void> {
  const upstreamModel = `${loop.name} to ${target}`.replaceAll(/[^\w]+/g, "-");
  const model = `mock-${target}/${upstreamModel}`;
  setup.upstream.on(upstreamModel, converses(target));

  const { text, called } = await loop.run({ url: setup.gateway.url, key: setup.key.key, model });
  expect(text).toBe(turns.at(-1)?.text ?? "");
  expect(called).toEqual(calls.map(({ name, args }) => ({ name, args })));

  const last = setup.upstream.requestsFor(upstreamModel).at(-1);
  if (!last) throw new Error("The provider was not asked.");
  const { results, calls: told, signatures } = toldIn(target, last.json);
  expect(results.length).toBe(calls.length);
  // `ai` puts the name of the tool beside what it said, for Gemini.
  for (const [i, { name, args }] of calls.entries()) expect(results[i]?.text).toContain(toolAnswer(name, args));
  expect(told.map(({ name, input }) => ({ name, args: input }))).toEqual(
    calls.map(({ name, args }) => ({ name, args })),
  );
  // A call and its result are joined by their ids; Gemini's own calls have none.
  expect(results.map(({ id }) => id)).toEqual(told.map(({ id }) => id));
  if (target !== "gemini") expect(told.map(({ id }) => id)).toEqual(calls.map(({ id }) => id));
  if (target !== "openai-chat")
    expect(signatures).toEqual(turns.flatMap(({ thinking }) => (thinking ? [thinking.signature] : [])));

  const ofModel = () => allUsage(setup.gateway).filter((row) => row.model === model);
  // The SDKs are done with the last event of a stream, which the client has just before the record is written.
  await until("all are recorded", () => ofModel().every(({ status }) => status !== "open"));
  const rows = ofModel().filter(({ status }) => status === "ok");
  expect(rows.map((row) => [row.dialect, row.provider, row.source])).toEqual(
    rows.map(() => [loop.dialect, `mock-${target}`, "provider"]),
  );
  expect(rows.map((row) => [row.input_tokens, row.cache_read_tokens, row.output_tokens])).toEqual(
    turns.map(({ usage }) => [usage.input, usage.cached ?? 0, usage.output]),
  );
}
