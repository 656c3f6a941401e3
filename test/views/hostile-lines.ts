import type { UsageModel } from "../../views/usage.ts";
import { measures } from "../../views/usage-table.ts";
import type { AccountTermsModel } from "../../views/account-terms.ts";
import type { AliasRouteModel } from "../../views/alias-route.ts";
import type { AlertsModel } from "../../views/alerts.ts";
import type { ListedProvider } from "../../views/providers.ts";
import type { AuditLine } from "../../views/audit.ts";
import type { LedgerModel } from "../../views/ledger.ts";
import type { LimitLine } from "../../views/limit-table.ts";

/** Rows of tables with `text` wherever text from outside can come. */

export const limitLine = (text: string): LimitLine => ({
  id: text,
  scopeKind: text,
  scopeName: text,
  source: "api",
  enforce: false,
  parts: [
    { field: text, text, value: text, use: { amount: 10, used: 3, held: 2, freeAtMs: 5, text } },
    { field: text, text, value: text, use: null },
  ],
});

export const accountTerms = (text: string): AccountTermsModel => ({
  values: { models: text, providers: text, uncappedOutputTokens: text, metadata: text },
  operations: [{ name: text, chosen: true }],
  keyRotation: false,
  marks: { models: text },
  said: [true, false].map((own) => ({ account: text, own, what: text, words: text })),
  open: true,
});

export const auditLine = (text: string): AuditLine => ({
  seq: 1,
  createdMs: 1,
  actorKind: text,
  actorId: null,
  actorName: text,
  actorRole: text,
  address: text,
  route: text,
  action: text,
  objectKind: text,
  objectId: text,
  accountId: text,
  times: 2,
  hash: text,
  changes: [
    { field: text, before: text, after: { [text]: [text] } },
    { field: "expiresMs", before: undefined, after: 1 },
  ],
});

export const personLine = (text: string) => ({
  id: text,
  kind: "person" as const,
  name: text,
  email: text,
  role: text,
  accountName: text,
  hasPassword: true,
  hasTotp: true,
  issuers: [text],
  signedInMs: 1,
});

export const budgetLine = (text: string) => ({
  id: text,
  scopeKind: text,
  scopeName: text,
  window: text,
  timeZone: text,
  limitNano: 5,
  increase: { nano: 1, untilMs: 9 },
  onShortfall: "cap" as const,
  admission: "bound" as const,
  alertPercents: [80],
  spentNano: 9,
  heldNano: 1,
  windowStartMs: 0,
  createdMs: 0,
  resetsAtMs: null,
});
export const branch = (text: string) => ({ id: text, name: text, depth: 1, keys: 1, calls: 2, chargeNano: 3 });
export const sum = {
  calls: 3,
  failed: 1,
  refused: 1,
  left: 0,
  inputTokens: 10,
  outputTokens: 20,
  costNano: 4,
  chargeNano: 4,
};
export const line = (text: string) => ({
  callId: "c1",
  createdMs: 0,
  model: text,
  provider: text,
  upstreamModel: text,
  caller: text,
  status: "ok",
  inputTokens: 1,
  outputTokens: 2,
  costNano: 3,
  chargeNano: 3,
  durationMs: 4,
});

export const alertsModel = (text: string): AlertsModel => ({
  receivers: [
    {
      name: text,
      events: [text],
      waiting: 1,
      behind: 1,
      oldestMs: 1,
      dead: 1,
      lastError: text,
      lastErrorMs: 2,
      lastDeliveredMs: 1,
    },
  ],
  alerts: [
    {
      type: text,
      text,
      createdMs: 1,
      deliveries: [{ receiver: text, state: "waiting", attempts: 1, nextMs: 1, endedMs: null, lastError: text }],
    },
  ],
  next: text,
  first: false,
  dead: [{ name: text, letters: [{ id: text, type: text, text, attempts: 1, endedMs: 1, lastError: text }] }],
  tested: { receiver: text, error: text },
  csrf: "c",
});

export const sumsOfAttempts = {
  ok: 5,
  failed: 2,
  limited: 1,
  refused: 1,
  left: 1,
  firstByteMs: { p50: 20, p95: null, p99: null },
};
export const attempts = (text: string) => ({
  over: "week" as const,
  model: text,
  report: {
    steps: [{ startMs: 5, ...sumsOfAttempts }],
    models: [{ model: text, ...sumsOfAttempts }],
    moreModels: true,
    total: sumsOfAttempts,
    sinceMs: 5,
  },
});
export const aliasMap = (text: string): AliasRouteModel["route"] => {
  const entry = (leadsTo: "alias" | "target", unfit: Unfit) => ({
    target: text,
    weight: 3,
    when: {
      account: { [text]: [text] },
      headers: { [text]: [text] },
      operations: [text],
      content: { with: [text], without: [text] },
      tokens: { above: 1, upTo: 2 },
    },
    canary: { percent: 5, by: "caller" as const },
    drop: [text],
    defaults: { [text]: text },
    unfit,
    share: 40,
    leadsTo:
      leadsTo === "alias"
        ? { name: text, strategy: text, entries: [] }
        : {
            provider: text,
            model: text,
            breaker: { state: "open" as const, reason: text, nextProbeMs: 9 },
            busy: 2,
            costNano: 5,
          },
  });
  const unfits: readonly Unfit[] = [
    null,
    { why: "lacks", what: [text] },
    { why: "max-output", most: 5 },
    { why: "condition", on: text },
  ];
  return {
    name: text,
    strategy: text,
    refused: 12,
    shadow: {
      percent: 10,
      maxInFlight: 5,
      inFlight: 2,
      account: text,
      drop: [text],
      defaults: { [text]: text },
      leadsTo: { provider: text, model: text, breaker: null, busy: null, costNano: null },
    },
    entries: unfits.flatMap((unfit) => [entry("alias", unfit), entry("target", unfit)]),
  };
};
type Unfit = AliasRouteModel["route"]["entries"][number]["unfit"];

export const tested = (text: string) => ({
  callId: text,
  httpStatus: 502,
  text,
  error: null,
  record: {
    status: text,
    provider: text,
    upstreamModel: text,
    inputTokens: 1,
    outputTokens: 2,
    costNano: 3,
    ttftMs: 4,
    durationMs: 5,
    finishReason: text,
    attempts: [1, 2],
  },
});
export const providerLine = (text: string): ListedProvider => ({
  name: text,
  plugin: text,
  host: text,
  dialects: [text],
  models: [text],
  fileKey: text,
  takesKeys: true,
  credentials: (["active", "disabled", "resting", "locked", "unused"] as const).map((state) => ({
    id: text,
    name: text,
    masked: text,
    weight: 1,
    enabled: state !== "disabled",
    state,
    restsUntilMs: 5,
    refusedWith: 429,
    requests: 1,
    changedMs: 5,
  })),
  lastDay: sumsOfAttempts,
  traffic: {
    open: 3,
    waiting: 2,
    queued: 1,
    breakers: (["open", "half-open", "closed"] as const).map((state) => ({
      model: text,
      state,
      reason: text,
      consecutiveFailures: 5,
      sinceMs: 5,
      nextProbeMs: state === "closed" ? null : 9,
    })),
  },
});

const used = { ...sum, cacheReadTokens: 1, cacheWriteTokens: 2 };
export const usageModel = (text: string): UsageModel => ({
  fields: { range: text, from: text, to: text, by: text, and: text, under: text, measure: text, compare: text },
  accounts: [{ id: text, name: text }],
  costIsHidden: false,
  report: {
    span: { from: 0, to: 9 },
    before: { from: 0, to: 0 },
    isRunning: true,
    under: text,
    measure: measures[0],
    unit: "day",
    bars: [{ label: text, value: 1, detail: text }],
    groupBy: ["key", "account", "model", "provider", "status", "day"],
    rows: [
      {
        now: used,
        before: used,
        cells: [
          ...(["key", "account", "model", "provider", "status"] as const).map((field) => ({
            field,
            id: text,
            name: text,
          })),
          { field: "day", startMs: 5 },
        ],
      },
    ],
    others: { groups: 1, now: used, before: used },
    total: { now: used, before: used },
    costIsHidden: false,
  },
  error: null,
});

export const ledgerModel = (text: string): LedgerModel => ({
  entries: [
    {
      kind: "credit",
      accountId: text,
      accountName: text,
      callId: null,
      deltaNano: 1,
      createdMs: 0,
      expiresMs: 5,
      note: text,
    },
    {
      kind: "charge",
      accountId: text,
      accountName: text,
      callId: text,
      deltaNano: -1,
      createdMs: 0,
      expiresMs: null,
      note: null,
    },
  ],
  next: text,
  after: text,
  filter: { account: text, kind: text },
  balances: {
    lines: [{ accountId: text, accountName: text, balanceNano: 0, heldNano: 0, sinceMs: 0 }],
    after: text,
    next: text,
  },
  retention: { keepDays: 1, oldestMs: 1, goneBeforeMs: 1, goneCalls: 1, lastMs: 1 },
  form: {
    values: { accountId: text, usd: text, expires: text, note: text },
    error: text,
    csrf: "c",
  },
  accounts: [{ id: text, name: text }],
});
