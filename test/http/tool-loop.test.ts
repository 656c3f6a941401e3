import { afterAll, afterEach, describe, expect, test } from "bun:test";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { dialects } from "../../core/dialects/index.ts";
import { agents, resultOf } from "../support/agents.ts";
import { invariants } from "../support/invariants.ts";
import { json, sse } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenStream, spokenWhole, type Turn } from "../support/spoken.ts";
import { toldIn } from "../support/told.ts";
import type { Script } from "../support/upstream.ts";

/**
 * A loop of two turns with thinking and tools, driven by the official SDK of the client's dialect, through every
 * combination of dialects: the same calls, the same last answer, and the vendor gets its signatures and ids back.
 */

const spoken = [...dialects.keys()];
const setup = await setUp({ dialects: spoken });
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

const sealed = (text: string): string => Buffer.from(`signature of ${text}`).toString("base64");
/** Longer than any vendor's, and than most allow in a request. */
const longId = `call_${"0123456789abcdef".repeat(20)}`;

const turns: readonly Turn[] = [
  {
    thinking: { text: "Both, then.", signature: sealed("the first") },
    text: "Let me look.",
    calls: [
      { id: longId, name: "get_weather", args: { city: "Paris" } },
      { id: "call_b", name: "get_time", args: { city: "Rome é \u{1f600}" } },
    ],
    usage: { input: 100, output: 30, thinking: 10 },
  },
  {
    thinking: { text: "One more.", signature: sealed("the second") },
    calls: [{ id: "call_c", name: "get_weather", args: { city: "Rome" } }],
    usage: { input: 200, output: 20, thinking: 5 },
  },
  { text: "All is fine.", usage: { input: 300, output: 10 } },
];
const calls = turns.flatMap((turn) => turn.calls ?? []);

let models = 0;

for (const client of spoken) {
  for (const target of spoken) {
    describe(`${client} → ${target}`, () => {
      test.each([true, false])("streamed: %p", async (stream) => {
        const model = `loop-${++models}`;
        let asked = 0;
        const script: Script = (exchange) => {
          const turn = turns[asked++];
          if (!turn) return json(500, {})(exchange);
          // Where calls have no ids, those of the answers tell them apart.
          const told = (stream ? spokenStream : spokenWhole)(target, turn).replaceAll(
            "gem-1",
            `gem-${models}-${asked}`,
          );
          return stream ? sse(told)(exchange) : json(200, told)(exchange);
        };
        setup.upstream.on(model, script);

        const loop = await agents[client]({
          url: setup.gateway.url,
          key: setup.key.key,
          model: `mock-${target}/${model}`,
          stream,
        });
        expect(loop).toEqual({
          text: "All is fine.",
          reasoning: ["Both, then.", "One more.", ""],
          calls: calls.map(({ name, args }) => ({ name, input: args })),
        });

        const [, ...later] = setup.upstream.requestsFor(model);
        expect(later).toHaveLength(2);
        for (const [at, exchange] of later.entries()) {
          const told = toldIn(target, exchange.json);
          const before = turns.slice(0, at + 1).flatMap((turn) => turn.calls ?? []);
          expect(told.calls.map(({ name, input }) => ({ name, input }))).toEqual(
            before.map(({ name, args }) => ({ name, input: args })),
          );
          expect(told.results.map(({ text }) => text)).toEqual(before.map(({ name, args }) => resultOf(name, args)));
          // Each result answers its own call; of ids that the target allows, in its own words.
          expect(told.results.map(({ id }) => id)).toEqual(told.calls.map(({ id }) => id));
          expect(new Set(told.calls.map(({ id }) => id)).size).toBe(before.length);
          const { toolCallId } = traitsOf(target);
          for (const { id } of told.calls) if (client !== target) expect(id).toMatch(toolCallId);
          if (target !== "gemini") expect(told.calls[1]?.id).toBe("call_b");
          const signatures = turns.slice(0, at + 1).flatMap(({ thinking }) => thinking?.signature ?? []);
          expect(told.signatures).toEqual(target === "openai-chat" ? [] : signatures);
        }
      });
    });
  }
}

function traitsOf(name: DialectName) {
  const dialect = dialects.get(name);
  if (!dialect) throw new Error(`no dialect ${name}`);
  return dialect.traits;
}
