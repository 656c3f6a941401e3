import type { Kind } from "../plugin/plugin.ts";

/** What an author begins with: a plugin that works, and the contract suite of its kind. */
export interface PluginTemplate {
  /** The file of the plugin. */
  source(name: string): string;
  /** The file of its test. `path`: of the plugin, as the test imports it. */
  test(path: string): string;
  /** Options without which it does not start, as the config file has them; empty: none. */
  readonly options: string;
}

/**
 * The kinds that can be begun anew. A limiter that does not count what it is given lets it pass, and a storage is a
 * driver: whoever writes one starts from the built-in one. Guardrails and caches run nowhere yet.
 */
export const pluginTemplates: Readonly<Partial<Record<Kind, PluginTemplate>>> = {
  provider: {
    source: (name) => `import { definePlugin, GatewayError, t } from "llm-proxy/plugin";

/** An upstream that speaks OpenAI's chat completions; \`UpstreamProvider\` says what else it may tell of itself. */
export default definePlugin({
  kind: "provider",
  name: "${name}",
  api: 1,
  description: "Models of ${name}.",
  config: t.Object(
    {
      baseUrl: t.String({ pattern: "^https?://", description: "With the version, e.g. https://api.example.com/v1." }),
      apiKey: t.String({ minLength: 1, writeOnly: true, description: "Sent as a bearer token." }),
    },
    { additionalProperties: false },
  ),
  setup: ({ baseUrl, apiKey }) => ({
    dialects: ["openai-chat"],
    // Core sends it, times out, retries, relays and meters.
    request({ operation, body }) {
      if (operation !== "chat") throw new GatewayError("invalid-request", \`${name} does not offer \${operation}\`);
      return {
        url: \`\${baseUrl.replace(/\\/+$/, "")}/chat/completions\`,
        headers: { authorization: \`Bearer \${apiKey}\`, "content-type": "application/json" },
        body,
      };
    },
  }),
});
`,
    test: (path) => `import { setUp, testProvider } from "llm-proxy/testing";
import plugin from "${path}";

const apiKey = "key-of-the-tests";

testProvider((context) => setUp(plugin, { baseUrl: "https://api.example.com/v1", apiKey }, context), {
  form: "upstream",
  secrets: [apiKey],
});
`,
    options: "baseUrl: https://api.example.com/v1, apiKey: your-key",
  },

  auth: {
    source: (name) => `import { createHash, timingSafeEqual } from "node:crypto";
import { definePlugin, GatewayError, t } from "llm-proxy/plugin";

const prefix = "${name}_";

/** One token, which stands in the config file. */
export default definePlugin({
  kind: "auth",
  name: "${name}",
  api: 1,
  description: \`A token that begins with \${prefix}.\`,
  config: t.Object(
    {
      token: t.String({ pattern: \`^\${prefix}\\\\S{16,}$\`, writeOnly: true, description: "What callers show." }),
      account: t.String({ default: "default", description: "Id or name of the account that pays." }),
    },
    { additionalProperties: false },
  ),
  setup({ token, account }, { accounts }) {
    const expected = digestOf(token);
    return {
      async authenticate(credential) {
        // Not of this kind: the next instance is asked.
        if (!credential.startsWith(prefix)) return null;
        if (!timingSafeEqual(digestOf(credential), expected))
          throw new GatewayError("unauthenticated", "invalid token");
        const accountId = await accounts.find(account);
        if (accountId === null) throw new GatewayError("forbidden", await accounts.whyNot(account));
        return { name: "${name}", keyId: null, accountId, models: "all", limits: {} };
      },
    };
  },
});

/** Of one length, whatever the text's is. */
const digestOf = (text: string) => createHash("sha256").update(text).digest();
`,
    test: (path) => `import { fakeContext, setUp, testAuth } from "llm-proxy/testing";
import plugin from "${path}";

const valid = \`\${plugin.name}_0123456789abcdef\`;

testAuth(() => setUp(plugin, { token: valid }, fakeContext()), {
  valid,
  invalid: [\`\${valid}x\`, \`\${plugin.name}_fedcba9876543210\`],
  foreign: ["sk-another-kind"],
});
`,
    options: "token: NAME_0123456789abcdef",
  },

  billing: {
    source: (name) => `import { definePlugin, t } from "llm-proxy/plugin";
import type { RatingLine } from "llm-proxy/plugin";

/** One price for all models. */
export default definePlugin({
  kind: "billing",
  name: "${name}",
  api: 1,
  description: "One price for all models.",
  config: t.Object(
    {
      inputNano: t.Integer({ minimum: 0, default: 1_000, description: "Nano-USD a token; 1,000 are 1 USD a million." }),
      outputNano: t.Integer({ minimum: 0, default: 4_000, description: "Nano-USD a token." }),
    },
    { additionalProperties: false },
  ),
  setup: ({ inputNano, outputNano }) => ({
    policy: { unpriced: "refuse", interrupted: "input", uncappedOutputTokens: 16_384 },
    // The same for a hold, which asks for the dearest: there is one tier.
    rate({ inputTokens, outputTokens }) {
      const costNano = inputTokens * inputNano + outputTokens * outputNano;
      const lines = [lineOf("input", inputTokens, inputNano), lineOf("output", outputTokens, outputNano)];
      return {
        costNano,
        chargeNano: costNano,
        priceVersion: \`\${inputNano}/\${outputNano}\`,
        lines: lines.filter(({ quantity }) => quantity > 0),
      };
    },
  }),
});

/** Lines tell the price of a million in USD. */
const lineOf = (item: string, quantity: number, nano: number): RatingLine => ({
  item,
  quantity,
  price: (nano / 1_000).toFixed(3),
});
`,
    test: (path) => `import { fakeContext, testBilling } from "llm-proxy/testing";
import type { Biller } from "llm-proxy/plugin";
import plugin from "${path}";

// Rating is synchronous, and so is this biller's setup.
const make = () => plugin.setup({ inputNano: 1_000, outputNano: 4_000 }, fakeContext()) as Biller;

testBilling(make, {
  priced: { provider: "openai", vendor: "openai", model: "gpt-5" },
  unpriced: null,
  atMs: 1_800_000_000_000,
  absent: ["adopt", "authorize", "facts", "factsAhead", "models", "prices"],
});
`,
    options: "",
  },

  observer: {
    source: (name) => `import { definePlugin, t } from "llm-proxy/plugin";

/** A line in the log for each call. */
export default definePlugin({
  kind: "observer",
  name: "${name}",
  api: 1,
  description: "Logs what each call cost and how long it took.",
  config: t.Object({}, { additionalProperties: false }),
  setup: (_options, { logger }) => ({
    // What clients and providers wrote (model, warnings) may hold a secret: it is left out.
    callEnded({ callId, provider, status, durationMs, chargeNano }) {
      // Without a message: of lines with the same one only 20 a second are written.
      logger.info({ event: "call ended", callId, provider, status, durationMs, chargeNano });
    },
  }),
});
`,
    test: (path) => `import { fakeContext, setUp, testObserver } from "llm-proxy/testing";
import plugin from "${path}";

testObserver(async () => {
  const context = fakeContext();
  return { observer: await setUp(plugin, {}, context), written: () => context.seen.logged };
});
`,
    options: "",
  },
};
