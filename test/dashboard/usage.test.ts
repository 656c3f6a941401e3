import { describe, expect, test } from "bun:test";
import type { CallDetail } from "../../core/storage/database.ts";
import { callRow } from "./seed.ts";
import { keyRow, site, startMs } from "./site.ts";
import { signedIn } from "./visitor.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const today = Math.floor(startMs / dayMs) * dayMs;

/** What is read; the small digits of an amount belong to it. */
const text = (markup: string): string =>
  markup
    .replaceAll(/<title>[^<]*<\/title>|<(?!span class="fine")[^>]+>/g, " ")
    .replaceAll(/<[^>]+>/g, "")
    .replaceAll(/\s+/g, " ")
    .trim();

/** A call that cost so much and was charged double. */
const used = (n: number, createdMs: number, costNano: number, more: Partial<CallDetail> = {}): CallDetail =>
  callRow(n, {
    createdMs,
    costNano,
    chargeNano: 2 * costNano,
    inputTokens: 100,
    outputTokens: 10,
    cacheReadTokens: 30,
    cacheWriteTokens: 4,
    model: "m1",
    ...more,
  });

async function opened(calls: readonly CallDetail[], query: string, more: object = {}) {
  const answer = await (await signedIn(site({ seed: { calls, ...more } }))).get(`/dashboard/usage${query}`);
  const page = await answer.text();
  return { status: answer.status, page, shown: text(page), rows: rowsIn(page) };
}

/** The cells of each row, as they are read; the first is the total. */
function rowsIn(page: string): readonly (readonly string[])[] {
  const [table = ""] = /<table class="cards">.*?<\/table>/s.exec(page) ?? [];
  return [...table.matchAll(/<tr><td.*?<\/tr>/gs)].map(([row]) =>
    [...row.matchAll(/<td.*?<\/td>/gs)].map(([cell]) => text(cell)),
  );
}

const filesIn = (page: string): readonly string[] =>
  [...page.matchAll(/href="(\/api\/[^"]+)" download/g)].map(([, href]) => String(href).replaceAll("&amp;", "&"));

describe("the usage", () => {
  test("of the last thirty days by model is what it shows unasked, with the total above and the dearest first", async () => {
    const { status, rows, shown } = await opened(
      [
        used(1, startMs, 1_000_000_001),
        used(2, today - 29 * dayMs, 5_000_000_000, { model: "m2" }),
        used(3, startMs - hourMs, 2_000_000_000),
        used(4, today - 29 * dayMs - 1, 70_000_000_000),
        used(5, startMs, 0, { status: "open" }),
      ],
      "",
    );
    expect(status).toBe(200);
    expect(rows).toEqual([
      ["Total", "3", "300", "30", "90", "12", "$8.000000001", "$16.000000002"],
      ["m2", "1", "100", "10", "30", "4", "$5.00", "$10.00"],
      ["m1", "2", "200", "20", "60", "8", "$3.000000001", "$6.000000002"],
    ]);
    expect(shown).toContain("Usage 25 Oct 2025 – 23 Nov 2025 , today so far");
  });

  const months = [
    ["today", today, startMs],
    ["7d", today - 6 * dayMs, startMs],
    ["30d", today - 29 * dayMs, startMs],
    ["month", Date.UTC(2025, 10, 1), startMs],
    ["last-month", Date.UTC(2025, 9, 1), Date.UTC(2025, 10, 1) - 1],
  ] as const;
  test.each(months)("of %p goes from its first moment to its last", async (range, firstMs, lastMs) => {
    const calls = [firstMs - 1, firstMs, lastMs, lastMs + dayMs].map((ms, at) => used(at + 1, ms, 10 ** at));
    expect((await opened(calls, `?range=${range}`)).rows[0]?.slice(0, 2)).toEqual(["Total", "2"]);
    expect((await opened(calls, `?range=${range}`)).rows[0]?.[6]).toBe("$0.00000011");
  });

  test("between two dates has all of the last one; without it, up to today", async () => {
    const first = Date.UTC(2025, 9, 5);
    const calls = [first - 1, first, first + 2 * dayMs - 1, first + 2 * dayMs, startMs].map((ms, at) =>
      used(at + 1, ms, 10 ** at),
    );
    const { rows, page } = await opened(calls, "?from=2025-10-05&to=2025-10-06&range=today");
    expect([rows[0]?.[1], rows[0]?.[6]]).toEqual(["2", "$0.00000011"]);
    expect(page).not.toContain('aria-current="page">Today');
    expect((await opened(calls, "?range=today")).page).toContain('aria-current="page">Today');
    expect((await opened(calls, "?from=2025-10-05")).rows[0]?.[1]).toBe("4");
    expect((await opened(calls, "?from=2025-10-05&to=2025-10-05")).shown).toContain(
      "Usage 5 Oct 2025 5 Oct 2025".slice(0, 16),
    );
  });

  test("by two groupings, with links to the calls of each", async () => {
    const key = keyRow("018f0000-0000-7000-8000-0000000000aa", "checkout <b>");
    const team = { id: "team/1", parentId: null, name: "Team One", createdMs: 0 };
    const calls = [
      used(1, startMs, 3, { keyId: key.id, accountId: team.id, provider: "p&q" }),
      used(2, startMs, 2, { keyId: null, accountId: "gone", provider: null, status: "refused" }),
    ];
    const rowsBy = (query: string) => opened(calls, query, { keys: [key], accounts: [team] });
    const keys = await rowsBy("?by=key&and=account");
    expect(keys.rows.slice(1).map((row) => row.slice(0, 2))).toEqual([
      ["checkout &lt;b&gt;", "Team One"],
      ["without a key", "gone"],
    ]);
    for (const link of [`?key=${key.id}`, "?account=team%2F1", "?account=gone"])
      expect(keys.page).toContain(`href="/dashboard/calls${link}"`);
    const providers = await rowsBy("?by=provider&and=status");
    expect(providers.rows.slice(1).map((row) => row.slice(0, 2))).toEqual([
      ["p&amp;q", "ok"],
      ["without a provider", "refused"],
    ]);
    expect(providers.page).toContain('href="/dashboard/calls?provider=p%26q"');
    expect(providers.page).toContain('href="/dashboard/calls?status=refused"');
    expect((await rowsBy("?by=day&and=model")).rows[1]?.slice(0, 2)).toEqual(["23 Nov 2025", "m1"]);
    expect((await rowsBy("?by=hour&range=today")).rows[1]?.[0]).toBe("23 Nov 2025 14:00");
    expect((await rowsBy("?by=model&and=model")).rows[1]?.slice(0, 2)).toEqual(["m1", "2"]);
  });

  test("of an account is that with all below it", async () => {
    const accounts = [
      { id: "top", parentId: null, name: "Top", createdMs: 0 },
      { id: "below", parentId: "top", name: "Below", createdMs: 0 },
    ];
    const calls = ["top", "below", "default"].map((accountId, at) => used(at + 1, startMs, 10 ** at, { accountId }));
    const { rows, page } = await opened(calls, "?by=account&under=top", { accounts });
    expect(rows.map((row) => [row[0], row[6]])).toEqual([
      ["Total", "$0.000000011"],
      ["Below", "$0.00000001"],
      ["Top", "$0.000000001"],
    ]);
    expect(page).toContain('<option value="top" selected>Top</option>');
    expect(filesIn(page)[0]).toContain("groupBy=account&under=top");
  });

  test("beside as many days before, with what only one of the periods has", async () => {
    const calls = [
      used(1, today, 3_000_000_000),
      used(2, today, 0, { model: "new" }),
      used(3, today - 1, 2_000_000_000),
      used(4, today - dayMs, 8_000_000_000, { model: "gone" }),
      used(5, today - dayMs - 1, 1_000_000_000),
    ];
    const { rows, shown } = await opened(calls, "?range=today&compare=before");
    expect(rows.map((row) => [row[0], row[1], row[6]])).toEqual([
      ["Total", "2 was 2 0.0 %", "$3.00 was $10.00 −70.0 %"],
      ["m1", "1 was 1 0.0 %", "$3.00 was $2.00 +50.0 %"],
      ["new", "1 was 0 new", "$0.00 was $0.00 –"],
      ["gone", "0 was 1 −100.0 %", "$0.00 was $8.00 −100.0 %"],
    ]);
    expect(shown).toContain("23 Nov 2025 , today so far; before: 22 Nov 2025");
    expect(shown).toContain("$3.00, $8.00 before (−62.5 %)");
  });

  test("by day and by hour is compared with the day and the hour that is as far before", async () => {
    const calls = [
      used(1, today + 2 * hourMs, 3),
      used(2, today - 2 * dayMs + 2 * hourMs, 2),
      used(3, today - 3 * dayMs, 1),
    ];
    const days = await opened(calls, "?from=2025-11-22&to=2025-11-23&by=day&compare=before");
    expect(days.rows.slice(1).map((row) => [row[0], row[6]])).toEqual([
      ["23 Nov 2025 was 21 Nov", "$0.000000003 was $0.000000002 +50.0 %"],
      ["22 Nov 2025 was 20 Nov", "$0.00 was $0.000000001 −100.0 %"],
    ]);
    const hours = await opened(calls, "?from=2025-11-22&to=2025-11-23&by=hour&compare=before");
    expect(hours.rows[1]?.[0]).toBe("23 Nov 2025 02:00 was 21 Nov 02:00");
  });

  test("of more groups than it shows has the rest as one row, and its rows are the total", async () => {
    const calls = Array.from({ length: 450 }, (_, at) =>
      used(at + 1, at % 2 === 0 ? startMs : startMs - 30 * dayMs, 1_000 + at, { model: `model ${at}` }),
    );
    const { rows } = await opened(calls, "?compare=before");
    expect(rows).toHaveLength(1 + 200 + 1);
    expect(rows.at(-1)?.[0]).toBe("250 others");
    const figures = (cell = ""): readonly number[] =>
      cell
        .replaceAll(/[$,]/g, "")
        .split(" was ")
        .map((figure) => Math.round(Number.parseFloat(figure) * 1e9));
    const columns = [1, 2, 3, 4, 5, 6, 7];
    const sums = columns.map((column) =>
      rows
        .slice(1)
        .map((row) => figures(row[column]))
        .reduce((so, [now = 0, before = 0]) => [(so[0] ?? 0) + now, (so[1] ?? 0) + before], [0, 0]),
    );
    expect(sums).toEqual(columns.map((column) => figures(rows[0]?.[column])));
    const costs = (at: number) =>
      calls.filter((_, n) => n % 2 === at).reduce((so, call) => so + (call.costNano ?? 0), 0);
    expect(sums[5]).toEqual([costs(0), costs(1)]);
  });

  test("has a bar for each hour of up to two days, and for each day of more, of what is chosen", async () => {
    const calls = [used(1, startMs, 5), used(2, startMs - dayMs, 7)];
    const bars = async (query: string) => {
      const { page } = await opened(calls, query);
      return {
        count: page.match(/<g class="bar">/g)?.length,
        caption: /aria-label="([^"]+ per [^"]+)"/.exec(page)?.[1],
        filled: [...page.matchAll(/<title>([^<]+)<\/title>[^>]*><rect class="fill"/g)].map(([, title]) => title),
      };
    };
    expect(await bars("?range=today")).toMatchObject({ count: 24, caption: "Cost per hour" });
    expect(await bars("?range=7d&measure=charge")).toMatchObject({ count: 7, caption: "Charged per day" });
    expect(await bars("?from=2025-11-22&to=2025-11-23")).toMatchObject({ count: 48, caption: "Cost per hour" });
    for (const [measure, caption, value] of [
      ["calls", "Calls", "1"],
      ["input", "Tokens in", "100"],
      ["output", "Tokens out", "10"],
      ["cache-read", "Cache read", "30"],
      ["cache-write", "Cache write", "4"],
      ["spend", "Cost", "$0.000000005"],
      ["charge", "Charged", "$0.00000001"],
    ]) {
      const { page } = await opened(calls, `?range=today&measure=${measure}`);
      expect(page).toContain(`aria-label="${caption} per hour"`);
      expect(page).toContain(`<title>14:00: ${value}</title>`);
    }
  });

  test("links to files of what it shows, and of the period before", async () => {
    const calls = [used(1, startMs, 5)];
    const [from, to] = [Date.UTC(2025, 10, 10), Date.UTC(2025, 10, 13)];
    const { page } = await opened(calls, "?from=2025-11-10&to=2025-11-12&by=key&and=day&compare=before");
    expect(page).toContain("Nothing was used in these days.");
    expect(filesIn(page)).toEqual([]);
    const two = await opened([used(1, from, 5)], "?from=2025-11-10&to=2025-11-12&by=key&and=day&compare=before");
    expect(filesIn(two.page)).toEqual(
      [`from=${from}&to=${to}`, `from=${from - 3 * dayMs}&to=${from}`].flatMap((range) =>
        ["csv", "jsonl"].map((format) => `/api/usage/export?${range}&groupBy=key%2Cday&format=${format}`),
      ),
    );
  });

  test("keeps what is chosen in its links and its form", async () => {
    const { page } = await opened([used(1, startMs, 5)], "?range=7d&by=key&and=day&measure=calls&compare=before");
    expect(page).toContain(
      'href="/dashboard/usage?range=30d&amp;by=key&amp;and=day&amp;measure=calls&amp;compare=before"',
    );
    expect(page).toContain('<input type="hidden" name="range" value="7d">');
    for (const value of ["key", "day", "calls", "before"])
      expect(page).toMatch(new RegExp(`<option value="${value}" selected>`));
    const dated = await opened([used(1, startMs, 5)], "?from=2025-11-20&to=2025-11-23&by=key");
    expect(dated.page).toContain('<input type="date" name="from" value="2025-11-20">');
    expect(dated.page).toContain('href="/dashboard/usage?range=30d&amp;by=key&amp;measure=spend"');
    expect(dated.page).not.toContain('<input type="hidden" name="range"');
  });

  test.each([
    ["?range=year", "Range: one of today, 7d, 30d, month, last-month."],
    ["?from=2025-02-30&to=2025-03-01", "First day: a date as 2030-12-31."],
    ["?from=1969-12-31&to=1970-01-01", "First day: a date as 2030-12-31."],
    ["?to=2025-03-01", "First day: a date as 2030-12-31."],
    ["?from=2025-03-01&to=x", "Last day: a date as 2030-12-31."],
    ["?from=2025-03-02&to=2025-03-01", "Last day: it is before the first one."],
    ["?from=2023-01-01&to=2025-03-01", "A range of at most 366 days; GET /api/usage sums any."],
    ["?from=0000-01-01&to=9999-12-31", "First day: a date as 2030-12-31."],
    ["?by=team", "Group by: one of account, key, model, provider, status, day, hour."],
    ["?and=label:x", "Group by: one of account, key, model, provider, status, day, hour."],
    ["?by=hour&range=7d", "By hour: a range of at most 2 days."],
    ["?measure=errors", "Chart of: one of calls, input, output, cache-read, cache-write, spend, charge."],
    ["?compare=year", "Compare with: before, or nothing."],
    ["?under=nobody", "Account: there is none with this id."],
    ["?under=%00%ff", "Account: there is none with this id."],
  ])("%p is told what is wrong with it, beside the form", async (query, message) => {
    const { status, page } = await opened([used(1, startMs, 5)], query);
    expect(status).toBe(400);
    expect(page).toContain(`<p class="banner bad" role="alert">${message}</p>`);
    expect(page).toContain('<form class="filter four"');
    expect(page).not.toContain("<table");
  });

  test("of the first days there can be, and of days to come, is shown too", async () => {
    for (const query of [
      "?from=1970-01-01&to=1970-01-02&compare=before",
      "?from=9999-12-30&to=9999-12-31&compare=before",
    ])
      expect([query, (await opened([used(1, startMs, 5)], query)).status]).toEqual([query, 200]);
    const { page } = await opened([used(1, 5, 5)], "?from=1970-01-01&to=1970-01-02&compare=before");
    expect(filesIn(page).at(-1)).toContain("from=0&to=0&");
  });
});

test("the overview and the page of an account lead to it", async () => {
  const browser = await signedIn(
    site({ seed: { accounts: [{ id: "top", parentId: null, name: "Top", createdMs: 0 }] } }),
  );
  const overview = await (await browser.get("/dashboard")).text();
  for (const by of ["day", "model", "key"])
    expect(overview).toContain(`href="/dashboard/usage?range=30d&amp;by=${by}"`);
  const account = await (await browser.get("/dashboard/accounts/top")).text();
  expect(account).toContain('href="/dashboard/usage?under=top&amp;by=account"');
});
