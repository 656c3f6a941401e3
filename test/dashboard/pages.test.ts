import { describe, expect, test } from "bun:test";
import type { CallStatus } from "../../core/storage/database.ts";
import { seed, callRow } from "./seed.ts";
import { aliasMap, attempts as reported, providerLine, sumsOfAttempts } from "../views/hostile-lines.ts";
import { keyRow, newSecret, noCredentials, site, startMs } from "./site.ts";
import { signedIn } from "./visitor.ts";

const part = { "hx-request": "true", "hx-request-type": "partial" };
/** What is read; the small digits of an amount belong to it. */
const text = (markup: string): string =>
  markup
    .replaceAll(/<title>[^<]*<\/title>|<(?!span class="fine")[^>]+>/g, " ")
    .replaceAll(/<[^>]+>/g, "")
    .replaceAll(/\s+/g, " ");
/** A record that tells nothing. */
const unexplained = {
  kind: "recorded" as const,
  outcome: { stage: null, code: null },
  estimate: null,
  limits: null,
  budgets: null,
  limitsAbove: 0,
  budgetsAbove: 0,
  hold: null,
  targets: null,
  plugins: null,
  unknown: [],
};
const idsIn = (markup: string): readonly string[] =>
  [...markup.matchAll(/id="call-([^"]+)"/g)].map(([, id]) => id ?? "");

describe("overview", () => {
  test("adds up what was used today and in thirty days, and nothing before", async () => {
    const dayMs = 86_400_000;
    const midnight = Date.UTC(2025, 10, 23);
    const at = (n: number, createdMs: number, costNano: number) =>
      callRow(n, { createdMs, costNano, chargeNano: costNano, inputTokens: 10, outputTokens: 5 });
    const one = site({
      seed: {
        calls: [
          at(1, midnight, 1_000_000_001),
          at(2, startMs, 2_000_000_002),
          {
            ...at(3, startMs - 1, 0),
            status: "refused",
            costNano: null,
            chargeNano: null,
            inputTokens: null,
            outputTokens: null,
          },
          at(4, midnight - 1, 4_000_000_000),
          at(5, midnight - 29 * dayMs, 8_000_000_000),
          at(6, midnight - 29 * dayMs - 1, 16_000_000_000),
        ],
      },
    });
    const shown = text(await (await (await signedIn(one)).get("/dashboard")).text());
    expect(shown).toContain("Spend today $3.000000003 $15.000000003 in 30 days");
    expect(shown).toContain("Calls today 3 5 in 30 days; of today's, 1 refused Tokens");
    expect(shown).toContain("Tokens today 30 60 in 30 days");
    expect(shown).toContain(
      "Failed today 0 0.0 % of calls; 0 in 30 days Latency today ≤ 6.45 s 95 % of the good calls ≤ 12.60 s Spend",
    );
  });

  test("tells who ended a call that did not end well: the provider or we, a limit, or the client", async () => {
    const ended = (n: number, status: CallStatus, createdMs = startMs) => callRow(n, { createdMs, status });
    const one = site({
      seed: {
        calls: [
          ended(1, "ok"),
          ended(2, "upstream_error"),
          ended(3, "interrupted"),
          ended(4, "shutdown"),
          ended(5, "refused"),
          ended(6, "client_aborted"),
          ended(7, "client_aborted"),
          ended(8, "ok"),
          ended(9, "upstream_error", startMs - 3 * 86_400_000),
        ],
      },
    });
    const page = await (await (await signedIn(one)).get("/dashboard")).text();
    expect(text(page)).toContain("Failed today 3 37.5 % of calls; 4 in 30 days Latency");
    expect(text(page)).toContain("Calls today 8 9 in 30 days; of today's, 1 refused, 2 left by the client");
    expect(page).toContain("8 calls, 3 failed, 1 refused, 2 left by the client");
  });

  test("has a bar for each day and hour, also of an empty database", async () => {
    for (const one of [site(), site({ seed: seed() })]) {
      const page = await (await (await signedIn(one)).get("/dashboard")).text();
      expect(page.match(/<g class="bar">/g)).toHaveLength(30 + 24);
    }
  });
});

describe("calls", () => {
  test("each is on exactly one page, the latest ended first, as it says, and links keep the filter", async () => {
    const one = site({ seed: seed() });
    const browser = await signedIn(one);
    const seen: string[] = [];
    expect(text(await (await browser.get("/dashboard/calls")).text())).toContain(" Latest ended first, refreshed");
    let path: string | undefined = "/dashboard/calls?model=fast&status=ok";
    while (path !== undefined) {
      const page: string = await (await browser.get(path)).text();
      seen.push(...idsIn(page));
      path = /rel="next" href="([^"]+)"/.exec(page)?.[1]?.replaceAll("&amp;", "&");
    }
    const wanted = one.database.rows.calls
      .filter((call) => call.model === "fast" && call.status === "ok")
      .sort((left, right) => right.createdMs - left.createdMs);
    expect(wanted.length).toBeGreaterThan(50);
    expect(seen).toEqual(wanted.map((call) => call.callId));
  });

  test.each([
    ["provider=groq", "provider", "groq"],
    ["status=upstream_error", "status", "upstream_error"],
    ["account=default", "accountId", "default"],
    ["key=018f0000-0000-7000-8000-000000000002", "keyId", "018f0000-0000-7000-8000-000000000002"],
  ] as const)("filter %p", async (query, field, value) => {
    const one = site({ seed: seed() });
    const shown = idsIn(await (await (await signedIn(one)).get(`/dashboard/calls?${query}`)).text());
    const fitting = one.database.rows.calls.filter((call) => call[field] === value).map((call) => call.callId);
    expect(shown).toHaveLength(Math.min(50, fitting.length));
    expect(shown.filter((id) => !fitting.includes(id))).toEqual([]);
  });

  test("link to files of what they show, with the filter, but not of calls in flight", async () => {
    const browser = await signedIn(site({ seed: seed() }));
    const files = async (path: string) =>
      [...(await (await browser.get(path)).text()).matchAll(/href="(\/api\/[^"]+)" download/g)].map(([, href]) =>
        String(href).replaceAll("&amp;", "&"),
      );
    expect(await files("/dashboard/calls?model=fast&status=ok&key=")).toEqual([
      "/api/calls/export?model=fast&status=ok&format=csv",
      "/api/calls/export?model=fast&status=ok&format=jsonl",
    ]);
    expect(await files("/dashboard/calls?status=open")).toEqual([]);
    expect(await files("/dashboard/ledger?account=default&kind=charge")).toEqual([
      "/api/ledger/export?account=default&kind=charge&format=csv",
      "/api/ledger/export?account=default&kind=charge&format=jsonl",
    ]);
    const today = Math.floor(startMs / 86_400_000) * 86_400_000;
    const range = `from=${today - 29 * 86_400_000}&to=${today + 86_400_000}`;
    expect(await files("/dashboard")).toEqual(
      ["day", "model", "key"].flatMap((groupBy) =>
        ["csv", "jsonl"].map((format) => `/api/usage/export?${range}&groupBy=${groupBy}&format=${format}`),
      ),
    );
  });

  test("the newest page refreshes itself with its filter; older pages stand still", async () => {
    const browser = await signedIn(site({ seed: seed() }));
    const first = await (await browser.get("/dashboard/calls?model=fast", part)).text();
    expect(first).toStartWith('<div id="calls">');
    expect(first).toContain('hx-trigger="every 5s"');
    expect(first).toContain('<input type="hidden" name="model" value="fast">');
    const older = /rel="next" href="([^"]+)"/.exec(first)?.[1]?.replaceAll("&amp;", "&") ?? "";
    expect(await (await browser.get(older)).text()).not.toContain("every 5s");
  });

  test("a status that does not exist is an error, not all calls", async () => {
    expect((await (await signedIn(site())).get("/dashboard/calls?status=fine")).status).toBe(400);
  });

  test("one call shows what was counted, charged, tried and warned of", async () => {
    const one = site({ seed: seed() });
    const call = one.database.rows.calls.find(({ attempts }) => attempts.length > 1);
    const shown = text(await (await (await signedIn(one)).get(`/dashboard/calls/${call?.callId}`)).text());
    for (const wanted of [
      "openai / gpt-5-mini 503 provider_overloaded after 4 ms – no",
      "groq / llama-3.3-70b-versatile 200 – – yes chatcmpl-9f31c2aa",
      "max_completion_tokens was lowered",
      "$0.59 / 1M",
      "genai-prices 0.1.8",
      "checkout service",
    ])
      expect(shown).toContain(wanted);
  });

  test("one call says of a provider without HTTP that it answered, unless it failed or nobody saw an answer", async () => {
    const attempt = { upstreamModel: "echo", upstreamId: null, status: null, billed: false };
    const call = callRow(0, {
      attempts: [
        { ...attempt, provider: "answering", sentMs: 0, tookMs: 2 },
        { ...attempt, provider: "failing", sentMs: 0, tookMs: 2, fault: "upstream-invalid" },
        { ...attempt, provider: "left", sentMs: 0, tookMs: null },
        { ...attempt, provider: "long-ago" },
      ],
    });
    const browser = await signedIn(site({ seed: { calls: [call] } }));
    const shown = text(await (await browser.get(`/dashboard/calls/${call.callId}`)).text());
    expect([...shown.matchAll(/(\S+) \/ echo (no answer|answered)/g)].map(([, ...said]) => said)).toEqual([
      ["answering", "answered"],
      ["failing", "no answer"],
      ["left", "no answer"],
      ["long-ago", "no answer"],
    ]);
  });

  test.each([
    ["upstream_error", "The call was not sent to a provider."],
    ["client_aborted", "The call was not sent to a provider."],
    ["open", "Told when the call has ended."],
    ["interrupted", "Not known: the proxy ended before the call."],
  ] as const)("one call that is %s without an attempt says so", async (status, said) => {
    const call = callRow(0, { status, attempts: [] });
    const browser = await signedIn(site({ seed: { calls: [call] } }));
    expect(text(await (await browser.get(`/dashboard/calls/${call.callId}`)).text())).toContain(`Attempts ${said}`);
  });

  test("one call names its account and those above it, whose budgets and limits held it", async () => {
    const accounts = [
      { id: "above", parentId: null, name: "Above", createdMs: 0 },
      { id: "team", parentId: "above", name: "Team", createdMs: 0 },
    ];
    const calls = [callRow(1, { accountId: "team" }), callRow(2, { accountId: "gone" })];
    const budget = (id: string) => ({
      id: `on-${id}`,
      kind: "budget" as const,
      scope: { kind: "account", id },
      window: "month",
      limitNano: 1,
      heldNano: 1,
      leftNano: 1,
    });
    const why = { ...unexplained, budgets: [budget("team"), budget("above")] };
    const browser = await signedIn(site({ seed: { accounts, calls }, recorded: why }));
    const shown = async (n: number) => (await browser.get(`/dashboard/calls/${calls[n]?.callId}`)).text();
    expect(await shown(0)).toMatch(/<dt>Account<\/dt><dd><a href="\/dashboard\/accounts\/team"><bdi[^>]*>Team<\/bdi>/);
    expect(text(await shown(0))).toMatch(/account Team .*account Above /);
    expect(text(await shown(1))).toContain("Account gone ");
  });

  test("a call that does not exist is not found", async () => {
    expect((await (await signedIn(site())).get("/dashboard/calls/018f0000")).status).toBe(404);
  });

  test("a hundred-kilobyte name does not blow up the page", async () => {
    const model = "<\u202ex>".repeat(25_000);
    const calls = Array.from({ length: 60 }, (_, n) =>
      callRow(n, { model, provider: model, upstreamModel: model, principal: model, keyId: null }),
    );
    const page = await (await (await signedIn(site({ seed: { calls } }))).get("/dashboard/calls")).text();
    expect(page.length).toBeLessThan(500_000);
  });
});

describe("keys", () => {
  test("the secret is in the answer that made the key and nowhere after", async () => {
    const one = site();
    const browser = await signedIn(one);
    const answer = await browser.post("/dashboard/keys", {
      name: " new <b> ",
      models: "fast, smart\techo",
      usd: "2.50",
      window: "day",
      requestsPerMinute: "60",
      tokensPerMinute: "",
      concurrency: "4",
      expires: "2025-12-31",
    });
    expect(answer.status).toBe(201);
    expect((await answer.text()).split(newSecret)).toHaveLength(2);
    expect(one.database.rows.keys).toMatchObject([
      {
        name: "new <b>",
        models: ["fast", "smart", "echo"],
        limits: { requestsPerMinute: 60, concurrency: 4 },
        expiresMs: Date.UTC(2026, 0, 1),
      },
    ]);
    expect(one.database.rows.budgets).toMatchObject([{ window: "day", limitNano: 2_500_000_000 }]);
    for (const path of ["/dashboard/keys", "/dashboard", "/dashboard/calls", "/dashboard/budgets"])
      expect(await (await browser.get(path)).text()).not.toContain(newSecret);
  });

  test.each([
    [{ name: " " }, "Name: a key needs one."],
    [{ usd: "-1" }, "A budget must be above 0, not &quot;-1&quot;."],
    [{ usd: "1", window: "year" }, "Budget window: day, week, month or lifetime."],
    [{ requestsPerMinute: "0" }, "Requests a minute: a whole number from 1, or nothing."],
    [{ tokensPerMinute: "1e3" }, "Tokens a minute: a whole number from 1, or nothing."],
    [{ concurrency: "9".repeat(16) }, "Calls at once: a whole number from 1, or nothing."],
    [{ expires: "2026-02-30" }, "Valid through: a date as 2030-12-31."],
    [{ expires: "tomorrow" }, "Valid through: a date as 2030-12-31."],
    [{ expires: "2025-11-22" }, "Valid through: this day is over."],
  ])("with %p is refused beside the form, which keeps what was typed", async (fields, message) => {
    const one = site();
    const answer = await (await signedIn(one)).post("/dashboard/keys", { name: "kept", models: "fast", ...fields });
    const page = await answer.text();
    expect([answer.status, one.database.rows.keys]).toEqual([422, []]);
    expect(page).toContain(message);
    expect(page).toContain('name="models" value="fast"');
    expect(page).toContain('id="new-key" open');
  });

  test("a key may end today, and is over tomorrow", async () => {
    const one = site();
    const browser = await signedIn(one);
    await browser.post("/dashboard/keys", { name: "short", expires: "2025-11-23" });
    expect(await (await browser.get("/dashboard/keys")).text()).toContain("active");
    one.clock.nowMs = Date.UTC(2025, 10, 24);
    expect(await (await (await signedIn(one)).get("/dashboard/keys")).text()).toContain("expired");
  });

  test("revoking answers with the row for htmx, with the list for a form, and needs the key to exist", async () => {
    const one = site({ seed: { keys: [keyRow("k1", "first"), keyRow("k2", "second")] } });
    const browser = await signedIn(one);
    const row = await (await browser.post("/dashboard/keys/k1/revocation", {}, part)).text();
    expect(row).toStartWith("<tr>");
    expect(row).toContain("revoked");
    expect(row).not.toContain("Revoke");
    expect((await browser.post("/dashboard/keys/k2/revocation")).headers.get("location")).toBe("/dashboard/keys");
    expect(one.database.rows.keys.map((key) => key.revokedMs)).toEqual([startMs, startMs]);
    const missing = await browser.post("/dashboard/keys/k3/revocation", {}, part);
    expect([missing.status, missing.headers.get("hx-retarget")]).toEqual([404, "#notice"]);
  });
});

test("budgets show limit, spent, held and free, and say when more was spent than allowed", async () => {
  const shown = text(await (await (await signedIn(site({ seed: seed() }))).get("/dashboard/budgets")).text());
  expect(shown).toContain("key checkout service month $25.00 $9.34021875 $1.20 $14.45978125 1 Dec 00:00:00");
  expect(shown).toContain("$5.00 $5.000000123 $0.00 over $0.00 never");
});

test.each(["audit?from=12345-01-01", "audit?to=2025-02-30", "ledger?kind=gift", "prices?source=hearsay"])(
  "%s is an error, not everything",
  async (asked) => {
    expect((await (await signedIn(site())).get(`/dashboard/${asked}`)).status).toBe(400);
  },
);

test("figures that are ends of buckets, or of a sample, say so", async () => {
  const browser = await signedIn(
    site({
      credentials: { ...noCredentials, providers: () => [providerLine("up")] },
      attempts: {
        report: () => ({ stepMs: 60_000, ...reported("up").report }),
        lastDay: () => new Map([["up", sumsOfAttempts]]),
      },
      aliasRoute: aliasMap,
    }),
  );
  const shown = async (path: string) => text(await (await browser.get(path)).text());
  expect(await shown("/dashboard/providers")).toContain(" ≤ 20 ms 95 % &gt; 1 min ");
  expect(await shown("/dashboard/providers/up")).toContain("First byte ≤ 20 ms 95 % &gt; 1 min ");
  expect(await shown("/dashboard/models/fast")).toContain(" about 40 % of calls now ");
});

test("a new key's name is as long as the server takes", async () => {
  const browser = await signedIn(site());
  expect(await (await browser.get("/dashboard/keys")).text()).toContain(
    '<input name="name" value="" required maxlength="100"',
  );
});
