import { afterAll, beforeAll, expect, test } from "bun:test";
import { callPaths } from "../../core/api/endpoints.ts";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { type CanaryListener, canaryListener } from "../support/canary.ts";
import { call } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { whole } from "../support/scripts.ts";
import { type Setup, setUp } from "../support/setup.ts";

/** Whatever a call asks for, it leaves by one way: an upstream that points elsewhere leads none of them there (108). */
const spoken: readonly DialectName[] = ["openai-chat", "openai-responses", "anthropic-messages", "gemini"];
const message = { role: "user", content: "Say hello." };
const contents = [{ parts: [{ text: "Say hello." }] }];
/** By path; of Gemini's by method. */
const bodies: Readonly<Record<string, object>> = {
  "/v1/chat/completions": { messages: [message] },
  "/v1/embeddings": { input: "hello" },
  "/v1/responses": { input: "Say hello." },
  "/v1/messages": { max_tokens: 100, messages: [message] },
  "/v1/messages/count_tokens": { messages: [message] },
  generateContent: { contents },
  streamGenerateContent: { contents },
  countTokens: { contents },
  embedContent: { content: contents[0] },
  batchEmbedContents: { requests: [{ content: contents[0] }] },
};
const hereStatus = (path: string): number => (/count/i.test(path) ? 200 : 400);
const targets = ["canary", "metadata", "file"] as const;
let setup: Setup;
let canary: CanaryListener;

beforeAll(async () => {
  canary = await canaryListener();
  setup = await setUp({ dialects: spoken });
  const bad: Readonly<Record<(typeof targets)[number], string>> = {
    canary: `http://${canary.address}/steal`,
    metadata: "http://169.254.169.254/latest/meta-data/",
    file: "file:///etc/passwd",
  };
  for (const name of targets) setup.upstream.on(name, (exchange) => whole(exchange, 307, "", { location: bad[name] }));
});
afterAll(async () => {
  await setup.stop();
  await canary.stop();
});

test("each path of each protocol gives up on an upstream that points elsewhere, and goes nowhere else", async () => {
  expect(Object.keys(bodies)).toEqual(expect.arrayContaining(callPaths.map(([path]) => path)));
  for (const [path, body] of Object.entries(bodies))
    for (const dialect of spoken)
      for (const target of targets) {
        const asked = setup.upstream.log.length;
        const model = `mock-${dialect}/${target}`;
        const { status, text } = await (path.startsWith("/")
          ? call(setup.gateway, setup.key.key, { model, ...body }, { path })
          : call(setup.gateway, setup.key.key, body, { path: `/v1beta/models/${model}:${path}` }));
        expect(text).not.toMatch(/steal|meta-data|passwd/);
        // Tokens are counted here, and embeddings refused, where the protocol has no such request.
        const isAsked = setup.upstream.log.length > asked;
        expect([path, model, isAsked, status]).toEqual([path, model, isAsked, isAsked ? 502 : hereStatus(path)]);
        expect(isAsked || /count|embed/i.test(path)).toBe(true);
      }
  expect(canary.connections).toBe(0);
  await invariants(setup);
}, 30_000);
