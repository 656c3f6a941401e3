import { expect, test } from "bun:test";
import { countTokens as cl100k } from "gpt-tokenizer/encoding/cl100k_base";
import { countTokens as o200k } from "gpt-tokenizer/encoding/o200k_base";
import type { Provider } from "llm-proxy/plugin";
import type { JsonObject } from "../../core/chat/json.ts";
import type { Dialect } from "../../core/dialects/dialect.ts";
import { dialects } from "../../core/dialects/index.ts";
import { openCall } from "../../core/pipeline/call.ts";
import { countedInputs, mayCount } from "../../core/pipeline/count-input.ts";
import { boundedCount } from "../../core/pipeline/tokenizer/bounded-count.ts";
import { framesOf, type Recording, recordings } from "../support/wire.ts";
import { benches } from "./bench.ts";

const newBench = benches();
const plain = { disallowedSpecial: new Set<string>() };

/** Each recorded call to OpenAI whose input could be counted here, as a target of its own dialect and of the other would get it. */
test.each(["openai-chat", "openai-responses"] as const)(
  "no recorded call of %s had more input than is counted here",
  async (name) => {
    const { services } = await newBench({
      tokenizer: {
        count: async (encoding, texts) =>
          texts.reduce(
            (sum, text) => sum + boundedCount(text, (one) => (encoding === "o200k_base" ? o200k : cl100k)(one, plain)),
            0,
          ),
      },
    });
    const all = recordings(name);
    const dialect = dialects.get(name);
    if (all.length === 0 || !dialect) return;
    const ratios: number[] = [];
    for (const recording of all) {
      const { request, response, provider } = recording;
      const body = request?.body as JsonObject | null;
      const told = inputTokensOf(recording);
      if (
        typeof body?.["model"] !== "string" ||
        told === null ||
        response.status !== 200 ||
        !/openai|azure/.test(provider)
      )
        continue;
      for (const spoken of [name, name === "openai-chat" ? "openai-responses" : "openai-chat"] as const) {
        const counted = await countedFor(body, dialect, spoken);
        if (counted === null) continue;
        if (spoken === name) ratios.push(counted / told);
        expect({ id: recording.id, spoken, counted: counted >= told ? "enough" : `${counted} of ${told}` }).toEqual({
          id: recording.id,
          spoken,
          counted: "enough",
        });
      }
    }
    ratios.sort((left, right) => left - right);
    console.log(
      `${ratios.length} calls; counted ÷ told: least ${ratios[0]?.toFixed(2)}, median ${ratios[ratios.length >> 1]?.toFixed(2)}`,
    );
    expect(ratios.length).toBeGreaterThan(100);

    async function countedFor(body: JsonObject, own: Dialect, spoken: Dialect["name"]): Promise<number | null> {
      const slot: Provider = {
        dialects: [spoken],
        request: () => {
          throw new Error("nobody is asked");
        },
      };
      const model = String(body["model"]);
      const route = { targets: [{ provider: "openai", vendor: "openai", model, slot }] } as const;
      const text = JSON.stringify(body);
      const asked = { text, body, envelope: own.readEnvelope(body, Buffer.byteLength(text)) };
      const call = openCall(null, { dialect: own, operation: "chat" }, services);
      const need = { inputNano: 1, outputNano: 1, outputTokens: 1, leastOutputTokens: 1 };
      if (!mayCount(call, asked, { budgeted: true, need } as Parameters<typeof mayCount>[2], route)) return null;
      return (await countedInputs(call, asked, route, services))[0] ?? null;
    }
  },
);

function inputTokensOf({ response }: Recording): number | null {
  type Told = { readonly usage?: Readonly<Record<string, unknown>> | null } | null | undefined;
  const bodies: Told[] = [response.body as Told];
  for (const { data } of framesOf(response.sse ?? "")) bodies.push(data, data?.["response"] as Told);
  const usage = bodies.findLast((body) => body?.usage)?.usage;
  const tokens = usage?.["prompt_tokens"] ?? usage?.["input_tokens"];
  return typeof tokens === "number" && tokens > 0 ? tokens : null;
}
