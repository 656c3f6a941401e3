import type { CallDetail, CallStatus } from "../../core/storage/database.ts";
import type { Seed } from "../support/fake-database.ts";
import { keyRow, startMs } from "./site.ts";

const hourMs = 3_600_000;
const targets = [
  ["fast", "openai", "gpt-5-mini", 250, 2000],
  ["anthropic/claude-opus-4-5", "anthropic", "claude-opus-4-5", 5000, 25_000],
  ["groq/llama-3.3-70b-versatile", "groq", "llama-3.3-70b-versatile", 590, 790],
  ["echo", "echo", "echo", 0, 0],
] as const;
const keys = [
  keyRow("018f0000-0000-7000-8000-000000000001", "checkout service", {
    limits: { requestsPerMinute: 600, tokensPerMinute: 200_000 },
    lastUsedMs: startMs - 4000,
  }),
  keyRow("018f0000-0000-7000-8000-000000000002", "nightly evals", {
    models: ["fast", "anthropic/claude-opus-4-5"],
    expiresMs: startMs + 40 * 24 * hourMs,
    lastUsedMs: startMs - 9 * hourMs,
  }),
  keyRow("018f0000-0000-7000-8000-000000000003", "old laptop", {
    revokedMs: startMs - 2 * 24 * hourMs,
    lastUsedMs: startMs - 3 * 24 * hourMs,
  }),
  keyRow(
    "018f0000-0000-7000-8000-000000000004",
    "\u202egnp.exe \u05de\u05e4\u05ea\u05d7 with a very long name that goes on and on until nobody reads it any more",
    { expiresMs: startMs - hourMs, limits: { concurrency: 4 } },
  ),
];

/** One call; what is not said is of an ordinary one that went well. */
export function callRow(n: number, more: Partial<CallDetail> = {}): CallDetail {
  const [model, provider, upstreamModel, inputPrice, outputPrice] = targets[n % targets.length] ?? targets[0];
  const inputTokens = 400 + ((n * 7919) % 9000);
  const outputTokens = 20 + ((n * 104_729) % 1400);
  const costNano = inputTokens * inputPrice + outputTokens * outputPrice;
  const durationMs = 300 + ((n * 6151) % 14_000);
  const createdMs = more.createdMs ?? startMs - n * 1000;
  return {
    callId: `0190c0de-0000-7000-8000-${String(n).padStart(12, "0")}`,
    accountId: "default",
    keyId: keys[n % 2]?.id ?? null,
    principal: "key",
    labels: null,
    dialect: "openai-chat",
    operation: "chat",
    model,
    provider,
    upstreamModel,
    status: "ok",
    source: "provider",
    inputTokens,
    cacheReadTokens: n % 3 === 0 ? Math.floor(inputTokens / 2) : 0,
    cacheWriteTokens: 0,
    cacheWrite1hTokens: 0,
    outputTokens,
    reasoningTokens: n % 4 === 1 ? Math.floor(outputTokens / 3) : 0,
    costNano,
    chargeNano: costNano,
    priceVersion: "genai-prices 0.1.8",
    finishReason: "stop",
    stream: n % 2 === 0,
    ttftMs: 120 + ((n * 31) % 700),
    durationMs,
    createdMs,
    finishedMs: createdMs + durationMs,
    httpStatus: 200,
    errorKind: null,
    heldNano: costNano * 2,
    attempts: [],
    notes: null,
    why: null,
    adjustments: [],
    replays: 0,
    ...more,
  };
}

const unused = {
  source: "none",
  inputTokens: null,
  outputTokens: null,
  cacheReadTokens: null,
  cacheWriteTokens: null,
  cacheWrite1hTokens: null,
  reasoningTokens: null,
  costNano: null,
  chargeNano: null,
  finishReason: null,
} as const;

function odd(n: number): Partial<CallDetail> {
  const failed = (status: CallStatus, httpStatus: number, errorKind: string, error: string): Partial<CallDetail> => ({
    ...unused,
    status,
    httpStatus,
    errorKind,
    ttftMs: null,
    heldNano: 0,
    notes: { error },
  });
  if (n === 1)
    return {
      ...unused,
      status: "open",
      durationMs: null,
      finishedMs: null,
      httpStatus: null,
      source: null,
      ttftMs: null,
    };
  if (n % 29 === 4)
    return failed("upstream_error", 502, "upstream-invalid", "The provider closed the connection before it answered.");
  if (n % 37 === 6)
    return {
      ...failed("refused", 429, "rate-limited", "Too many requests a minute on this key."),
      provider: null,
      upstreamModel: null,
    };
  if (n % 41 === 9) return { status: "client_aborted", source: "drained", finishReason: null };
  return {};
}

/** A month of traffic, heavier by day, with everything in it that a page must be able to show. */
export function seed(): Seed {
  const calls: CallDetail[] = [];
  for (let n = 1; n <= 420; n++) {
    const at = n <= 120 ? startMs - Math.floor((n * n * hourMs) / 1200) : startMs - (n - 110) * 2.2 * hourMs;
    calls.push(callRow(n, { createdMs: Math.floor(at), ...odd(n) }));
  }
  calls.push(
    callRow(900, {
      createdMs: startMs - 2500,
      model: "fast",
      attempts: [
        {
          provider: "openai",
          upstreamModel: "gpt-5-mini",
          upstreamId: null,
          status: 503,
          billed: false,
          sentMs: 4,
          tookMs: 90,
          fault: "provider_overloaded",
        },
        {
          provider: "groq",
          upstreamModel: "llama-3.3-70b-versatile",
          upstreamId: "chatcmpl-9f31c2aa",
          status: 200,
          billed: true,
        },
      ],
      provider: "groq",
      upstreamModel: "llama-3.3-70b-versatile",
      notes: {
        warnings: ["max_completion_tokens was lowered from 16384 to 2048: that is what the budget has left."],
        lines: [
          { item: "input", quantity: 8120, price: "$0.59 / 1M" },
          { item: "output", quantity: 704, price: "$0.79 / 1M" },
        ],
      },
    }),
  );
  const budget = (
    n: number,
    scope: { kind: "key" | "account" | "global"; id: string },
    limitNano: number,
    spentNano: number,
    heldNano: number,
  ) => ({
    id: `b${n}`,
    scope,
    window: n === 3 ? ("lifetime" as const) : ("month" as const),
    limitNano,
    timeZone: null,
    onShortfall: "cap" as const,
    admission: "bound" as const,
    alertPercents: [80, 100],
    increase: null,
    createdMs: startMs - n,
    windowStartMs: Date.UTC(2025, 10, 1),
    resetsAtMs: n === 3 ? null : Date.UTC(2025, 11, 1),
    spentNano,
    heldNano,
  });
  return {
    accounts: [
      { id: "default", parentId: null, name: "Default", createdMs: 0 },
      { id: "acme", parentId: null, name: "Acme Industries of the whole wide world and all its moons", createdMs: 1 },
      { id: "research", parentId: "acme", name: "Research", createdMs: 2 },
      { id: "zoe", parentId: "research", name: "Zoë <b>", createdMs: 3 },
    ],
    keys,
    budgets: [
      budget(1, { kind: "key", id: keys[0]?.id ?? "" }, 25_000_000_000, 9_340_218_750, 1_200_000_000),
      budget(2, { kind: "account", id: "default" }, 100_000_000_000, 96_120_004_001, 2_000_000_000),
      budget(3, { kind: "global", id: "global" }, 5_000_000_000, 5_000_000_123, 0),
    ],
    calls,
  };
}
