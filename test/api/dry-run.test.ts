import { expect, test } from "bun:test";
import { tokenBucket } from "../../plugins/rate-limit/token-bucket.ts";
import { seeded } from "../support/random.ts";
import { type Api, apis } from "./server.ts";
import { FetchedResponse } from "../../core/runtime/upstream-response.ts";

const newApi = apis();
const rounds = 120;

interface Met {
  readonly status: number;
  readonly text: string;
}

/** Keys with limits and budgets that are nearly used up, and calls of all lengths: of many nobody could say what they meet. */
test("whatever a call then meets, the dry run before it has said so, with the same hold, and has changed nothing", async () => {
  const random = seeded("the calls that are asked about first");
  const now = () => api.clock.now();
  const slot = tokenBucket({ now: () => now(), elapsed: () => now() });
  const api: Api = await newApi({
    providers: {
      mock: { dialects: ["openai-chat"], request: ({ body }) => ({ url: "http://mock", headers: {}, body }) },
    },
    rateLimit: [{ name: "token-bucket", slot }],
    transport: async () => {
      const usage = { prompt_tokens: 1 + random.below(900), completion_tokens: random.below(900), total_tokens: 0 };
      const choices = [{ index: 0, message: { role: "assistant", content: "hi" }, finish_reason: "stop" }];
      return new FetchedResponse(Response.json({ id: "chatcmpl-1", object: "chat.completion", choices, usage }));
    },
  });
  const keys = [];
  for (let at = 0; at < 6; at++)
    keys.push(
      (
        await api.admin("POST", "/api/keys", {
          name: `k${at}`,
          budget: { usd: at % 2 === 0 ? "0.01" : ["0.000009", "0.00002", "0.00004"][at % 3], window: "day" },
          ...(at % 2 === 0 && { limits: { requestsPerMinute: 9, tokensPerHour: 12_000 } }),
        })
      ).body,
    );
  await api.admin("POST", "/api/budgets", { scope: { kind: "model", id: "mock/two" }, usd: "0.0003", window: "day" });
  const counts = new Map<string, number>();

  for (let round = 0; round < rounds; round++) {
    const { id, key } = keys[random.below(keys.length)];
    const request = {
      model: ["mock/one", "mock/two", "nobody/knows"][random.below(8) === 0 ? 2 : random.below(2)],
      messages: [{ role: "user", content: "x".repeat(random.below(6_000)) }],
      ...(random.below(4) > 0 && { max_tokens: 1 + random.below(9_000) }),
    };
    const ask = async () => (await api.admin("POST", "/api/explain", { keyId: id, request })).body;
    const [foreseen, again] = [await ask(), await ask()];
    expect({ ...again, plugins: [] }).toEqual({ ...foreseen, plugins: [] });
    const met = await send(api, key, request);
    const stage = foreseen.outcome.stage ?? "passes";
    counts.set(stage, (counts.get(stage) ?? 0) + 1);
    if (met.status !== 200) {
      const { message, details } = JSON.parse(met.text).error;
      expect(foreseen.outcome.httpStatus).toBe(met.status);
      // Figures of what is set above a caller are for the whole alone.
      if (details?.above !== true) expect(foreseen.outcome.message).toBe(message);
      else expect([foreseen.outcome.limit.scope.kind, message]).toEqual(["model", expect.not.stringMatching(/\d/)]);
      continue;
    }
    expect(foreseen.outcome).toMatchObject({ status: "would-pass" });
    const [{ id: callId }] = (await api.admin("GET", "/api/calls?limit=1")).body.data;
    const made = (await api.admin("GET", `/api/explain/${callId}`)).body;
    expect(made.hold).toMatchObject({ heldNano: foreseen.hold.heldNano });
    expect([made.estimate, made.warnings, made.budgets]).toEqual([
      foreseen.estimate,
      foreseen.warnings,
      foreseen.budgets,
    ]);
    const left = foreseen.limits.map(({ left: before, needed }: { left: number; needed: number }) => before - needed);
    expect(made.limits.map((limit: { left: number }) => limit.left)).toEqual(left);
    if (random.below(5) === 0) api.clock.advance(random.below(20_000));
  }
  // Otherwise it says little.
  for (const stage of ["passes", "limits", "budgets", "route"])
    expect([stage, (counts.get(stage) ?? 0) > 2]).toEqual([stage, true]);
}, 60_000);

async function send(api: Api, key: string, request: object): Promise<Met> {
  const response = await api.send("POST", "/v1/chat/completions", {
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(request),
  });
  return { status: response.status, text: await response.text() };
}
