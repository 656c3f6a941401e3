import { type Static, Type as t } from "@sinclair/typebox";
import { capabilities } from "../chat/capability.ts";
import { AttemptsSchema, BreakerSchema, BulkheadSchema } from "./attempts-schema.ts";
import { ContentSchema } from "./content-schema.ts";
import { EgressSchema } from "./egress-schema.ts";
import { limitOptions } from "../plugin/limit-options.ts";
import { DeclaredKeySchema } from "./key-fields.ts";
import { LoginSchema } from "./login-schema.ts";
import { AliasSchema } from "./models-schema.ts";
import { closed, maxTimerMs, milliseconds } from "./schema-parts.ts";
import { TimeoutsSchema } from "./timeouts-schema.ts";

/**
 * The config file as one schema: what is checked, what editors complete and what the README lists. A `description` is
 * documentation; `expected` replaces the words of a pattern in errors.
 */

const logLevels = ["debug", "info", "warn", "error"] as const;

export const ServerSchema = closed(
  {
    host: t.String({
      minLength: 1,
      default: "127.0.0.1",
      description: "Address to listen on; `0.0.0.0` is every one of this machine.",
    }),
    port: t.Integer({
      minimum: 0,
      maximum: 65535,
      default: 8787,
      description: "Port to listen on; 0 takes any free one.",
    }),
    publicUrl: t.Optional(
      t.String({
        pattern: "^https?://([^/?#\\s@:[\\]]+|\\[[0-9A-Fa-f:.]+\\])(:\\d{1,5})?(/[^?#\\s]*)?$",
        expected: "a URL that starts with http:// or https://, without credentials, query or fragment",
        description:
          "Where people and clients reach the proxy; links and cookies follow it. Default: `http://localhost:PORT`.",
      }),
    ),
    maxBodyBytes: t.Integer({
      minimum: 1,
      default: 67_108_864,
      description: "A larger request body is refused with 413.",
    }),
    trustedProxies: t.Array(t.String({ maxLength: 64, expected: "an address or a network, as 10.0.0.0/8" }), {
      maxItems: 1_000,
      default: [],
      description:
        "Networks of the proxies in front, whose `X-Forwarded-For` is believed: a client's address is the right-most one there that is none of them. Default: nobody's.",
    }),
    watchConfig: t.Boolean({
      default: false,
      description:
        "Reload when this file, a file that it names by `${file:…}`, or the file of a plugin beside it, changes.",
    }),
    egress: EgressSchema,
    transport: t.Union([t.Literal("fetch"), t.Literal("sockets")], {
      default: "fetch",
      description:
        "What asks the providers: `fetch` is the runtime's own client, `sockets` one of ours over HTTP/1.1, which costs less; not for a forward proxy (`HTTPS_PROXY` and the like) and not on Deno, where it is `fetch` all the same.",
    }),
    login: LoginSchema,
    logLevel: t.Union(
      logLevels.map((level) => t.Literal(level)),
      { default: "info", description: "Least severe log line that is written." },
    ),
    timeouts: TimeoutsSchema,
    attempts: AttemptsSchema,
    breaker: BreakerSchema,
    bulkhead: BulkheadSchema,
    overload: closed(
      {
        maxBufferedBytes: t.Integer({
          minimum: 1_048_576,
          default: 268_435_456,
          description:
            "Memory for clients that do not read their streams (2 MiB each), and as much for request bodies on their way; beyond it new ones get 503.",
        }),
        maxCalls: t.Integer({
          minimum: 1,
          default: 20_000,
          description:
            "Calls that may run at once, streams among them; beyond it new ones get 503. Low: those taken stay fast in any rush.",
        }),
        maxLoopLagMs: milliseconds(500, "An event loop that stays this late takes no new call: 503."),
        maxMemoryBytes: t.Optional(
          t.Integer({
            minimum: 134_217_728,
            description:
              "No new call is taken near this much memory: 503. Default: the limit of the control group, or what the machine has.",
          }),
        ),
      },
      "When new calls are refused, so that those that run can end.",
    ),
    disconnect: closed(
      {
        drainMs: milliseconds(
          5_000,
          "When a client leaves, keep reading the provider's answer this long for its usage.",
        ),
        maxDrains: t.Integer({
          minimum: 0,
          default: 200,
          description: "Answers read on at once; those beyond are aborted.",
        }),
      },
      "What happens to a call whose client left.",
    ),
    idempotency: closed(
      {
        ttlMs: t.Integer({
          minimum: 1_000,
          maximum: 31 * 86_400_000,
          default: 86_400_000,
          description: "How long an `Idempotency-Key` is remembered, and with it the answer of its first call.",
        }),
        waitMs: t.Integer({
          minimum: 0,
          maximum: maxTimerMs,
          default: 30_000,
          description: "A call whose key is in use waits this long for the first one to end; then it gets 409.",
        }),
        maxAnswerBytes: t.Integer({
          minimum: 1,
          maximum: 67_108_864,
          default: 1_048_576,
          description: "A larger answer is not kept: repeating its key gets 409.",
        }),
        maxBytes: t.Integer({
          minimum: 1,
          default: 268_435_456,
          description: "Kept for all accounts together; the account with the most gives up its oldest answers.",
        }),
        maxKeys: t.Integer({
          minimum: 0,
          default: 200_000,
          description: "Keys remembered for all accounts together, as above; 0: the header is ignored.",
        }),
      },
      "What is kept for calls with an `Idempotency-Key`.",
    ),
    content: ContentSchema,
  },
  "The process itself.",
);

const instanceName = "^[A-Za-z][A-Za-z0-9._-]{0,63}$";

/** Options are checked later, by the plugin's own schema. `use` names the plugin; default: the instance's name. */
const InstanceSchema = t.Object(
  {
    use: t.Optional(
      t.String({ minLength: 1, description: "Built-in plugin, npm package, or `./path.ts` beside the config file." }),
    ),
  },
  { additionalProperties: true },
);
const plugins = (description: string) =>
  t.Record(t.String({ pattern: instanceName }), InstanceSchema, {
    additionalProperties: false,
    expected: "a map of instances: {} for none, or leave the section out for its default",
    expectedName: "at most 64 letters, digits, `.`, `_` and `-`, a letter first",
    description,
  });

export const decimal = (description: string) =>
  t.Union(
    [
      t.Number({ minimum: 0, maximum: 1_000_000 }),
      t.String({
        pattern: "^\\d{1,7}(\\.\\d{1,18})?$",
        expected: "a decimal ≥ 0, with at most 7 digits before the point and 18 behind it",
      }),
    ],
    {
      expected: "a number or decimal ≥ 0",
      description,
    },
  );
const tokens = (description: string) => t.Integer({ minimum: 1, maximum: 1_000_000_000, description });

const items = {
  input: decimal("Input, USD per million tokens."),
  output: decimal("Output, USD per million tokens."),
  cacheRead: t.Optional(decimal("Input read from the provider's cache.")),
  cacheWrite: t.Optional(decimal("Input written to the provider's cache for 5 minutes.")),
  cacheWrite1h: t.Optional(decimal("Input written to the provider's cache for 1 hour.")),
  reasoning: t.Optional(decimal("Reasoning, where it is priced apart from output.")),
  inputAudio: t.Optional(decimal("Audio in the input.")),
  outputAudio: t.Optional(decimal("Audio in the output.")),
  inputImage: t.Optional(decimal("Images in the input, where the vendor counts their tokens apart.")),
  outputImage: t.Optional(decimal("Images in the output.")),
  request: t.Optional(decimal("USD per call.")),
  webSearch: t.Optional(decimal("USD per search of the web that the provider runs.")),
  fileSearch: t.Optional(decimal("USD per search of files that the provider keeps.")),
  image: t.Optional(decimal("USD per image that the call makes.")),
  second: t.Optional(decimal("USD per second of audio or video.")),
  character: t.Optional(decimal("USD per million characters.")),
};
const contextTiers = t.Optional(
  t.Array(
    t.Object(
      { ...t.Partial(t.Object(items)).properties, above: tokens("Tokens of input that must be exceeded.") },
      {
        additionalProperties: false,
      },
    ),
    {
      maxItems: 20,
      description: "Prices of the whole call when its input is longer than `above`; what is left out keeps its price.",
    },
  ),
);

/** The prices of a target, without the target. */
export const priceFields = {
  ...items,
  contextTiers,
  serviceTiers: t.Optional(
    t.Record(
      t.String({ pattern: "^[a-z][a-z0-9_-]{0,39}$" }),
      t.Object({ ...items, contextTiers }, { additionalProperties: false }),
      {
        additionalProperties: false,
        expectedName: "the name of a service tier in lower case, e.g. batch",
        description:
          "Prices by service tier: `batch`, `flex`, `priority` or what the vendor calls it. `flex` and `batch` stand in for each other; a tier without prices has the standard ones.",
      },
    ),
  ),
  contextWindow: t.Optional(tokens("Tokens of input and output together.")),
  maxOutputTokens: t.Optional(tokens("Most tokens of output that the model can write.")),
  lacks: t.Optional(
    t.Array(t.Union(capabilities.map((name) => t.Literal(name))), {
      maxItems: capabilities.length,
      description:
        "What the model cannot do: aliases do not send it calls that ask for that. What is not said is not known.",
    }),
  ),
  most: t.Optional(
    t.Partial(
      t.Object({
        image: tokens("Images that one call can make."),
        second: tokens("Seconds that one call can take."),
        character: tokens("Characters that one call can take."),
      }),
      {
        additionalProperties: false,
        description:
          "The most of each that one call can use. Needed for each that has a price: budgets hold that much, as no text bounds it.",
      },
    ),
  ),
};

export const priceTarget = t.String({
  pattern: "^[^\\s*]+/[^\\s*]*\\*?$",
  expected: "`instance/model`, or `instance/` and `*` for any rest",
  description: "`instance/model`; `*` at the end matches any rest.",
});

export const PriceSchema = t.Object(
  {
    target: priceTarget,
    ...priceFields,
  },
  { additionalProperties: false },
);

const limitKinds = ["key", "account", "model", "provider", "global", "ip"] as const;

const limitScope = t.Object(
  {
    kind: t.Union(
      limitKinds.map((kind) => t.Literal(kind)),
      {
        expected: "key, account, model, provider, global or ip",
        description: "`ip`: addresses that show no key that holds; limits on requests only.",
      },
    ),
    id: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 256,
        description:
          "Id of the key or account, name of the model or provider; in the file also the name of a key under `keys:`, and an account's name at the top or path (`Org/Team`). Left out: each of them for itself. Not for `global` and `ip`.",
      }),
    ),
  },
  {
    additionalProperties: false,
    description:
      "Whose calls count together. An account's are those of all below it too; a model or provider counts each call that may end there. `ip`: who shows no credential that holds, by address (IPv6 by /64); it takes limits on requests only.",
  },
);
export const LimitSchema = t.Object(
  {
    scope: limitScope,
    enforce: t.Optional(
      t.Boolean({
        default: true,
        description: "`false`: refuses nothing; calls that it would have refused carry a warning, and are counted.",
      }),
    ),
    ...limitOptions,
  },
  { additionalProperties: false },
);

export const ConfigSchema = t.Object(
  {
    server: t.Optional(ServerSchema),
    storage: t.Optional(plugins("Where everything is kept; exactly one. Default: `sqlite`.")),
    provider: t.Optional(plugins("Upstream accounts. Default: `echo`, which answers with what it was asked.")),
    auth: t.Optional(plugins("Who may call; asked in file order. Default: `api-key`.")),
    "rate-limit": t.Optional(
      plugins("Requests, tokens and concurrency over time. Default: `token-bucket`, for the limits of keys."),
    ),
    billing: t.Optional(plugins("What calls cost; at most one. Default: `ledger`.")),
    guardrail: t.Optional(
      plugins("Checks of what goes in and comes out. **This version runs none**: an entry here is a mistake."),
    ),
    cache: t.Optional(
      plugins("Answers kept for equal requests. **This version runs none**: an entry here is a mistake."),
    ),
    observer: t.Optional(plugins("Told of each call when it has ended. Default: `log`.")),
    models: t.Optional(
      t.Record(t.String({ pattern: "^[^\\s/][^\\s]{0,199}$" }), AliasSchema, {
        additionalProperties: false,
        expectedName: "at most 200 characters without spaces",
        description: "Names of your own for models: a list of targets, tried in order, or `{ strategy, targets }`.",
      }),
    ),
    prices: t.Optional(
      t.Array(PriceSchema, {
        description: "Prices that override the bundled ones, in USD per million tokens; numbers or decimals in quotes.",
      }),
    ),
    limits: t.Optional(
      t.Array(LimitSchema, {
        maxItems: 10_000,
        description:
          "Limits beside those of keys, of the API and of `rate-limit` instances; of all that count a call, the strictest binds. Without one for `ip`, an address may fail to authenticate 100 times a minute; beyond it the answer is 429 instead of 401.",
      }),
    ),
    keys: t.Optional(
      t.Record(t.String({ pattern: instanceName }), DeclaredKeySchema, {
        additionalProperties: false,
        expectedName: "at most 64 letters, digits, `.`, `_` and `-`, a letter first",
        description:
          "Keys that this file alone changes: made at the start, shown read-only elsewhere. One that is taken out of the file is disabled, and works again when it is put back; another `key` or `sha256` replaces its secret.",
      }),
    ),
  },
  { additionalProperties: false },
);

/** The file as an operator writes it. */
export type ConfigFile = Static<typeof ConfigSchema>;
export type ServerConfig = Static<typeof ServerSchema>;

/** Sections that wait for the release in which the file can make what it names. */
export const apiOnly: Readonly<Record<string, string>> = {
  accounts: "made through the API for now, not in the file",
  budgets: "made through the API for now (POST /api/budgets), not in the file",
};

export const pluginSections = [
  "storage",
  "provider",
  "auth",
  "rate-limit",
  "billing",
  "guardrail",
  "cache",
  "observer",
] as const;

/** What runs when a section is left out; an empty section is none. */
export const defaultInstances: Readonly<Record<(typeof pluginSections)[number], readonly string[]>> = {
  storage: ["sqlite"],
  provider: ["echo"],
  auth: ["api-key"],
  "rate-limit": ["token-bucket"],
  billing: ["ledger"],
  guardrail: [],
  cache: [],
  observer: ["log"],
};
