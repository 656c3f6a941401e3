import { expect, test } from "bun:test";
import { accountPage } from "../../views/account.ts";
import { accountsPage } from "../../views/accounts.ts";
import { aliasPage } from "../../views/alias-route.ts";
import { alertsPage } from "../../views/alerts.ts";
import { providerPage } from "../../views/provider.ts";
import { providersPage } from "../../views/providers.ts";
import { budgetPage } from "../../views/budget.ts";
import { budgetsPage } from "../../views/budgets.ts";
import { callContentPage } from "../../views/call-content.ts";
import { callPage } from "../../views/call.ts";
import { chargesPage } from "../../views/charges.ts";
import { modelsPage } from "../../views/models.ts";
import { type PriceField, priceFields } from "../../views/price-form.ts";
import { pricesPage } from "../../views/prices.ts";
import { estimatesPage } from "../../views/estimates.ts";
import { testCallPage, testedCall } from "../../views/test-call.ts";
import { unpricedPage } from "../../views/unpriced.ts";
import { callsPage } from "../../views/calls.ts";
import { pluginsPage } from "../../views/plugins.ts";
import { configPage } from "../../views/config.ts";
import { failure, notice } from "../../views/failure.ts";
import type { Html } from "../../views/html.ts";
import { limitPage, limitsPage } from "../../views/limits.ts";
import { ledgerPage } from "../../views/ledger.ts";
import { layout } from "../../views/layout.ts";
import { usagePage } from "../../views/usage.ts";
import { overview } from "../../views/overview.ts";
import { canaries, outline } from "../support/markup.ts";
import { explained, notMade } from "./hostile-explain.ts";
import { identityPages } from "./hostile-identity.ts";
import {
  accountTerms,
  alertsModel,
  aliasMap,
  attempts,
  branch,
  budgetLine,
  ledgerModel,
  limitLine,
  providerLine,
  line,
  sum,
  tested,
  usageModel,
} from "./hostile-lines.ts";

/** Every page, with `text` wherever text from outside can come. */
const pages: Readonly<Record<string, (text: string) => Html>> = {
  ...identityPages,
  layout: (text) =>
    layout(
      {
        title: text,
        section: "calls",
        assets: { style: "/a.css", script: "/a.js", icon: "/i.svg" },
        csrf: "c",
        version: text,
        banner: text,
      },
      notice(text),
    ),
  failure: (text) => failure(text, text),
  config: (text) =>
    configPage({
      state: {
        file: text,
        loadedMs: 1,
        generation: 2,
        lastReload: { atMs: 1, by: text, ok: false, problems: [text] },
        callsBefore: [1],
      },
      drift: [{ path: text, set: text, inFile: true, wins: "database" }],
      plan: [{ change: "changed", path: text, before: text, after: text, needsRestart: true }],
      problems: [text],
      csrf: "c",
    }),
  plugins: (text) =>
    pluginsPage([
      {
        kind: text,
        name: text,
        plugin: text,
        origin: "file",
        description: text,
        hooks: [text],
        options: { [text]: text },
        timings: { [text]: { calls: 1, failures: 1, timeouts: 1, totalMs: 1, slowestMs: null } },
      },
    ]),
  overview: (text) =>
    overview({
      today: sum,
      month: { ...sum, chargeNano: 5 },
      range: { from: 1, to: 2 },
      open: 1,
      latency: { p50: 100, p95: null },
      spendByDay: [{ label: text, value: 3, bad: 1, detail: text }],
      callsByHour: [],
      models: [{ ...sum, name: text }],
      keys: [{ ...sum, name: text }],
      recent: [line(text)],
    }),
  usage: (text) => usagePage(usageModel(text)),
  "usage that is not understood": (text) => usagePage({ ...usageModel(text), report: null, error: text }),
  calls: (text) =>
    callsPage(
      {
        calls: [line(text)],
        filter: { model: text, provider: text, status: "ok", key: text, account: text },
        first: true,
        next: text,
      },
      { keys: [{ id: text, label: text }], models: [text], providers: [text] },
    ),
  "older calls": (text) =>
    callsPage(
      {
        calls: [],
        filter: { model: text, provider: text, status: "", key: "", account: "" },
        first: false,
        next: null,
      },
      { keys: [], models: [], providers: [] },
    ),
  "a call that is not made": notMade,
  "a prompt and its answer": (text) =>
    callContentPage({
      callId: text,
      expiresMs: 1,
      request: { text, bytes: 1, truncated: true, redacted: { [text]: 1 }, media: 1 },
      answer: { text, bytes: 1, truncated: false, redacted: {}, media: 0 },
      csrf: text,
    }),
  call: (text) =>
    callPage({
      ...line(text),
      why: explained(text),
      hasContent: true,
      accountId: text,
      line: [{ id: text, name: text }],
      keyId: text,
      keyName: text,
      principal: text,
      labels: { [text]: text },
      dialect: text,
      operation: text,
      source: text,
      cacheReadTokens: 1,
      cacheWriteTokens: 1,
      cacheWrite1hTokens: 0,
      reasoningTokens: 1,
      chargeNano: 8,
      heldNano: 9,
      priceVersion: text,
      finishReason: text,
      stream: true,
      ttftMs: 5,
      finishedMs: 9,
      httpStatus: 200,
      errorKind: text,
      attempts: [{ provider: text, upstreamModel: text, upstreamId: text, status: 200, billed: true, fault: text }],
      warnings: [text],
      lines: [{ item: text, quantity: 1, price: text, tier: text }],
      error: text,
      shadowOf: text,
      anomalous: true,
      terms: { version: `database:${text}`, margin: text, discount: text, fee: text },
      serviceTier: text,
      replays: 2,
      adjustments: [
        { costDeltaNano: 1, chargeDeltaNano: -1, priceVersion: text, reason: text, author: text, createdMs: 0 },
      ],
    }),
  budgets: (text) =>
    budgetsPage({
      budgets: [budgetLine(text)],
      next: text,
      form: {
        values: { kind: text, id: text, usd: text, window: text, timeZone: text },
        error: text,
        names: [{ id: text, name: text }],
        ofAccount: false,
        csrf: "c",
      },
    }),
  limits: (text) =>
    limitsPage({
      limits: [limitLine(text), { ...limitLine(text), scopeName: null }],
      ofKeys: [limitLine(text)],
      met: [{ scope: text, measure: text, enforced: false, count: 1 }],
      next: text,
      form: {
        values: { kind: text, id: text, amount: text, measure: text, per: text, enforce: text },
        error: text,
        names: [{ id: text, name: text }],
        ofAccount: false,
        csrf: "c",
      },
    }),
  limit: (text) =>
    limitPage({
      limit: limitLine(text),
      shown: { values: { enforce: text }, marks: { enforce: text } },
      more: { amount: text, measure: text, per: text },
      error: text,
      csrf: "c",
    }),
  providers: (text) => providersPage([providerLine(text)]),
  provider: (text) =>
    providerPage({
      provider: providerLine(text),
      attempts: attempts(text),
      mayCall: true,
      making: { values: { name: text, weight: text }, error: text },
      changing: providerLine(text).credentials.map((credential) => ({
        credential,
        values: { name: text, weight: text, enabled: text },
        marks: { name: text },
        error: text,
      })),
      csrf: "c",
      nowMs: 7,
    }),
  alias: (text) => aliasPage({ route: aliasMap(text), nowMs: 7, csrf: text }),
  "test call": (text) =>
    testCallPage({ model: text, models: [text], csrf: text, tested: { ...tested(text), text: null }, error: null }),
  "test call that answered": (text) => testedCall(tested(text)),
  "test call that failed": (text) => testedCall({ ...tested(text), error: text }),
  alerts: (text) => alertsPage(alertsModel(text)),
  budget: (text) =>
    budgetPage({
      budget: budgetLine(text),
      terms: {
        values: { usd: text, onShortfall: text, admission: text, alertPercents: text },
        marks: { usd: text },
      },
      increase: { usd: text, until: text },
      error: text,
      csrf: "c",
    }),
  accounts: (text) =>
    accountsPage({ tree: [branch(text)], more: true, form: { name: text, parentId: text, error: text }, csrf: "c" }),
  account: (text) =>
    accountPage({
      account: { id: text, name: text, parentId: null, keys: 1, disabled: true },
      disabledBy: { id: text, name: text },
      path: [{ id: text, name: text }],
      total: { calls: 1, chargeNano: 2 },
      children: [branch(text)],
      places: [branch(text)],
      budgets: [budgetLine(text)],
      limits: [limitLine(text)],
      balance: { balanceNano: 1, heldNano: 0, sinceMs: 0 },
      terms: accountTerms(text),
      place: { values: { name: text, parentId: text, content: text }, marks: { name: text }, open: true },
      error: text,
      csrf: "c",
    }),
  ledger: (text) => ledgerPage(ledgerModel(text)),
  prices: (text) =>
    pricesPage({
      prices: [
        {
          id: text,
          target: text,
          source: text,
          effectiveMs: 9,
          prices: {
            input: text,
            output: text,
            request: text,
            contextTiers: [{ above: 5, input: text }],
            serviceTiers: { [text]: { input: text, output: text } },
          },
          contextWindow: 5,
          maxOutputTokens: 6,
          author: text,
        },
        {
          id: null,
          target: text,
          source: "bundled",
          effectiveMs: null,
          daily: { startMs: 0, endMs: 5 },
          prices: null,
          contextWindow: null,
          maxOutputTokens: null,
          author: null,
        },
      ],
      filter: { search: text, source: text },
      next: text,
      csrf: "c",
      form: {
        // Every field is named once.
        values: Object.fromEntries(priceFields.map((field) => [field, text])) as Record<PriceField, string>,
        error: text,
      },
      nowMs: 5,
    }),
  models: (text) =>
    modelsPage({
      models: [
        {
          kind: "alias",
          shadow: { target: text, percent: 5 },
          id: text,
          strategy: text,
          targets: [{ target: text, weight: 1, when: { [text]: 1 }, drop: [text], defaults: { [text]: 1 } }],
        },
        {
          kind: "model",
          id: text,
          contextWindow: 5,
          maxOutputTokens: null,
          lacks: [text],
          prices: { input: text, output: text },
          source: text,
          priceVersion: text,
        },
        {
          kind: "model",
          id: text,
          contextWindow: null,
          maxOutputTokens: 5,
          lacks: [],
          prices: null,
          source: null,
          priceVersion: text,
        },
      ],
      search: text,
      next: text,
    }),
  estimates: (text) =>
    estimatesPage([{ provider: text, model: text, input: 4, output: 4, heldNano: 2, chargeNano: 1 }]),
  unpriced: (text) =>
    unpricedPage({ models: [{ provider: text, model: text, asked: 1, lastMs: 0, listed: true }], next: text }),
  charges: (text) =>
    chargesPage({
      charges: (["later", "current", "past"] as const).flatMap((state) =>
        [text, null].map((account) => ({
          id: text,
          account,
          accountName: account,
          target: text,
          terms: account === null ? null : { margin: text, fee: text },
          effectiveMs: 9,
          author: text,
          state,
        })),
      ),
      next: text,
      form: {
        values: { account: text, target: text, margin: text, discount: text, fee: text, from: text, withdraw: text },
        error: text,
        accounts: [{ id: text, name: text }],
        csrf: text,
      },
    }),
};

for (const [page, render] of Object.entries(pages)) {
  test(`${page}: data adds no element, no attribute and no htmx behaviour`, async () => {
    const harmless = await outline(render("some harmless text of this length").value);
    for (const canary of canaries) {
      const hostile = await outline(render(canary).value);
      expect(hostile.elements).toEqual(harmless.elements);
      expect(hostile.behaviour).toEqual(harmless.behaviour);
      expect(hostile.links.filter((link) => !link.startsWith("/") || link.startsWith("//"))).toEqual([]);
    }
  });

  test(`${page}: no inline style or handler, and nothing from elsewhere`, async () => {
    const { elements, sources } = await outline(render("x").value);
    const attributes = elements.flatMap((element) => element.split(" ").slice(1));
    expect(
      attributes.filter(
        (attribute) => attribute === "style" || attribute.startsWith("on") || attribute.startsWith("hx-on"),
      ),
    ).toEqual([]);
    expect(elements.filter((element) => element.startsWith("style"))).toEqual([]);
    expect(sources.filter((source) => !source.startsWith("/"))).toEqual([]);
  });

  test(`${page}: each column has a name`, () => {
    expect(render("x").value).not.toMatch(/<th[^>]*>\s*<\/th>/);
  });

  test(`${page}: whatever scrolls is reached by the keyboard, under a name`, () => {
    const boxes = render("x").value.match(/<[^>]*class="scroll\b[^>]*>/g) ?? [];
    expect(boxes.filter((box) => !/tabindex="0" role="region" aria-label="[^"]+"/.test(box))).toEqual([]);
  });
}
