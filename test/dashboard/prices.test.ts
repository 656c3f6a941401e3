import { describe, expect, test } from "bun:test";
import { capabilities } from "../../core/chat/capability.ts";
import { callRow } from "./seed.ts";
import { type Site, site, startMs } from "./site.ts";
import { signedIn, type Visitor } from "./visitor.ts";

const text = (markup: string): string => markup.replaceAll(/<[^>]+>/g, " ").replaceAll(/\s+/g, " ");
const read = async (browser: Visitor, path: string): Promise<string> => (await browser.get(path)).text();
const rowOf = (markup: string, target: string): string =>
  [...markup.matchAll(/<tr>[\s\S]*?<\/tr>/g)].map(([row]) => text(row)).find((row) => row.includes(target)) ?? "";

async function visit(
  seed: NonNullable<Parameters<typeof site>[0]>["seed"] = {},
): Promise<{ one: Site; browser: Visitor }> {
  const one = site({ seed });
  return { one, browser: await signedIn(one) };
}

describe("prices", () => {
  test("are found by a part of a name, with their source, tiers, sizes and time", async () => {
    const { browser } = await visit();
    const page = await read(browser, "/dashboard/prices?search=GEMINI-2.5-pro");
    expect(rowOf(page, "google/gemini-2.5-pro")).toMatch(
      /google\/gemini-2\.5-pro output 65,536 bundled 1\.25 10 0\.125 – over 200,000 tokens: in 2\.5, out 15, from cache 0\.25 always/,
    );
    expect(rowOf(await read(browser, "/dashboard/prices?source=config"), "lab/*")).toMatch(
      /context 8,192 the file 0\.5 1 – – – always/,
    );
    expect(rowOf(await read(browser, "/dashboard/prices?search=deepseek-chat"), "daily")).toContain(
      "daily 00:30–16:30 UTC",
    );
    expect(text(await read(browser, "/dashboard/prices?search=nothing-like-it"))).toContain("No price fits.");
  });

  test("say what is priced by the unit, how many of them a call can use, and which of it tiers change", async () => {
    const { browser } = await visit();
    expect(rowOf(await read(browser, "/dashboard/prices?source=config"), "openai/draw")).toContain(
      "at most 1 image · at most 4,000 characters the file 0 0 – – 0.04 per image 15 per million characters over 1,000 tokens: 0.08 per image always",
    );
  });

  test("are listed on pages that lead to each other and keep the search", async () => {
    const { browser } = await visit();
    const seen: string[] = [];
    for (let path: string | undefined = "/dashboard/prices?search=openai/&source=bundled"; path !== undefined;) {
      const page: string = await read(browser, path);
      seen.push(...[...page.matchAll(/<tr>\s*<td[^>]*><bdi[^>]*>([^<]+)/g)].map(([, target]) => target ?? ""));
      path = /rel="next" href="([^"]+)"/.exec(page)?.[1]?.replaceAll("&amp;", "&");
    }
    expect(seen.length).toBeGreaterThan(100);
    expect(seen.every((target) => target.includes("openai/"))).toBe(true);
    expect(seen).toEqual(seen.toSorted());
  });

  test("are set by a form, from now on or later, and taken back while they are not in effect", async () => {
    const { one, browser } = await visit();
    const made = await browser.post("/dashboard/prices", {
      target: "openai/gpt-5",
      input: "1.5",
      output: "12",
      cacheRead: "",
      from: "2025-12-01T00:00",
    });
    expect(made.status).toBe(201);
    const page = await made.text();
    expect(rowOf(page, "set here")).toMatch(
      /openai\/gpt-5 set here 1\.5 12 – – – later from 1 Dec 2025 00:00 by admin token Take back/,
    );
    const path = /action="(\/dashboard\/prices\/[^"]+\/removal)"/.exec(page)?.[1] ?? "";
    expect((await browser.post(path)).status).toBe(303);
    expect(rowOf(await read(browser, "/dashboard/prices?source=database"), "set here")).toBe("");
    await browser.post("/dashboard/prices", { target: "openai/gpt-5", input: "2", output: "12" });
    one.clock.nowMs += 1;
    const now = await read(browser, "/dashboard/prices?source=database");
    expect(rowOf(now, "set here")).toMatch(/from 23 Nov 2025 14:26 by admin token/);
    expect(now).not.toContain("Take back");
  });

  test("by other units, with the most of them, and those of long inputs are set by the same form", async () => {
    const { browser } = await visit();
    const fields = {
      target: "openai/draw",
      input: "1",
      output: "2",
      webSearch: "0.01",
      inputImage: "3",
      image: "0.04",
      "most.image": "10",
      second: "0.0005",
      "most.second": "3600",
      character: "15",
      "most.character": "100000",
      "long.above": "200000",
      "long.output": "4",
      "batch.input": "0.5",
      "batch.output": "1",
      "priority.input": "2",
      "priority.output": "5",
      "priority.cacheRead": "0.2",
      contextWindow: "400000",
      "lacks.audio": "yes",
      "lacks.tools": "yes",
    };
    const page = await (await browser.post("/dashboard/prices", fields)).text();
    expect(rowOf(page, "set here")).toContain(
      "openai/draw context 400,000 · at most 10 images · at most 3,600 seconds · at most 100,000 characters · without audio, tools set here 1 2 – – image in 3 0.01 per search 0.04 per image 0.0005 per second 15 per million characters over 200,000 tokens: out 4 batch: in 0.5, out 1 priority: in 2, out 5, from cache 0.2 ",
    );
    expect(text(await read(browser, "/dashboard/prices?source=bundled"))).toContain("where no other unit is named");
    for (const name of capabilities) expect(page).toContain(`name="lacks.${name}"`);
  });

  test.each([
    [
      { target: "openai/gpt-5", input: "1", output: "1", image: "1" },
      "USD per image: has a price, and Most images a call does not say",
    ],
    [
      { target: "openai/gpt-5", input: "1", output: "1", second: "1", "most.second": "a few" },
      "Most seconds a call: expected",
    ],
    [{ target: "openai/gpt-5", input: "1", output: "1", "long.input": "2" }, "Longer than, tokens: missing"],
    [{ target: "openai/gpt-5", input: "1", output: "1", "batch.input": "0.25" }, "Batch, output: missing"],
    [{ target: "openai/gpt-5", input: "1" }, "Output: missing"],
    [{ target: "openai/gpt-5", input: "much", output: "1" }, "Input: expected a decimal ≥ 0"],
    [
      { target: "openai/gpt-5", input: "12345678", output: "1" },
      "Input: expected a decimal ≥ 0, with at most 7 digits before the point",
    ],
    [{ target: "nobody/x", input: "1", output: "1" }, "no provider instance"],
    [{ target: "openai/gpt-5", input: "1", output: "1", from: "soon" }, "In effect from: a time as"],
  ])("%j comes back as it was typed, with what is wrong", async (fields, message) => {
    const { browser } = await visit();
    const answer = await browser.post("/dashboard/prices", fields);
    expect(answer.status).toBe(422);
    const page = await answer.text();
    expect(text(page)).toContain(message);
    for (const value of Object.values(fields)) expect(page).toContain(`value="${value}"`);
  });

  test("models without one are listed, those that were asked for first", async () => {
    const { browser } = await visit({
      unpriced: [
        { provider: "lab2", model: "gone", asked: 1, lastMs: startMs },
        { provider: "openai", model: "gpt-99", asked: 1_234, lastMs: startMs },
      ],
    });
    const page = text(await read(browser, "/dashboard/prices/unpriced"));
    expect(page).toMatch(/openai\/gpt-99 1,234 23 Nov 14:26:05 only asked for nowhere\/left-out 0 – named/);
    expect(page).not.toContain("lab2");
  });
});

test("models are listed with their facts and the price in force, and found by a part of a name", async () => {
  const { browser } = await visit();
  const page = await read(browser, "/dashboard/prices/models?search=GPT-5-mini");
  expect(rowOf(page, "openai/gpt-5-mini")).toMatch(/openai\/gpt-5-mini itself [\d,]+ [\d,]+ 0\.25 2 bundled/);
  expect(rowOf(await read(browser, "/dashboard/prices/models?search=left-out"), "nowhere/left-out")).toMatch(/none/);
  expect(text(await read(browser, "/dashboard/prices/models?search=nothing-like-it"))).toContain("No model has such");
  const drawing = { target: "openai/gpt-5-mini", input: "1", output: "3", image: "0.04", "most.image": "4" };
  await browser.post("/dashboard/prices", drawing);
  const after = await read(browser, "/dashboard/prices/models?search=GPT-5-mini");
  expect(rowOf(after, "openai/gpt-5-mini")).toMatch(/ 1 3 set here 0\.04 per image/);
});

describe("charges", () => {
  const path = "/dashboard/prices/charges";
  test("are set by a form, from now on or later, withdrawn and taken back, and what was stays readable", async () => {
    const { one, browser } = await visit({ accounts: [{ id: "acme-id", name: "Acme", parentId: null, createdMs: 0 }] });
    expect(text(await read(browser, path))).toContain("No terms are set here");
    const made = await browser.post(path, { account: "acme-id", target: "lab/*", margin: "20", fee: "0.001" });
    expect([made.status, made.headers.get("location")]).toEqual([303, path]);
    await browser.post(path, { account: "", target: "", discount: "5", from: "2025-12-01T00:00" });
    const page = await read(browser, path);
    expect(rowOf(page, "Acme")).toMatch(
      /Acme lab\/\* cost \+ 20 % \+ 0\.001 USD in force 23 Nov 2025 14:26 admin token Withdraw/,
    );
    expect(rowOf(page, "everybody")).toMatch(/everything cost − 5 % later 1 Dec 2025 00:00 admin token Take back/);
    const removal = /action="(\/dashboard\/prices\/charges\/[^"]+\/removal)"/.exec(page)?.[1] ?? "";
    expect((await browser.post(removal)).status).toBe(303);
    one.clock.nowMs += 1_000;
    await browser.post(path, { account: "acme-id", target: "lab/*", withdraw: "yes" });
    const after = await read(browser, path);
    expect(rowOf(after, "everybody")).toBe("");
    expect(rowOf(after, "as the file says")).toMatch(/Acme lab\/\* as the file says withdrawn/);
    expect(rowOf(after, "+ 20 %")).toMatch(/past 23 Nov 2025 14:26/);
    expect(after).not.toContain("Withdraw</button>");
  });

  test.each([
    [{ account: "", target: "", margin: "" }, "Margin in %: expected at least one"],
    [{ account: "", target: "lab/m", discount: "101" }, "Discount in %: more than 100 percent"],
    [{ account: "nobody", target: "lab/m", margin: "5" }, "Account: no such account"],
    [{ account: "", target: "lab/m", margin: "5", from: "2025-01-01T00:00" }, "In effect from: must be after now"],
    [{ account: "", target: "lab/m", margin: "5", from: "2096-02-30T00:00" }, "In effect from: a time as"],
    [{ account: "", target: "lab/m", margin: "5", withdraw: "yes" }, "Margin in %: expected at least one"],
  ])("%j comes back as it was typed, with what is wrong", async (fields, message) => {
    const { browser } = await visit();
    const answer = await browser.post(path, fields);
    expect(answer.status).toBe(422);
    const page = await answer.text();
    expect(text(page)).toContain(message);
    expect(page).toContain(`name="target" value="${fields.target}"`);
    expect(text(await read(browser, path))).toContain("No terms are set here");
  });
});

test("what was learned of models, those with the largest holds first, and what of a hold was charged", async () => {
  const learned = (model: string, heldNano: number) => ({
    provider: "lab",
    model,
    input: 4.126,
    output: 0.9,
    heldNano,
    chargeNano: 250,
  });
  const estimates = [learned("never-held", 0), learned("small", 1_000), learned("large", 2_000)];
  const page = await read(await signedIn(site({ estimates })), "/dashboard/prices/estimates");
  expect(rowOf(page, "lab/large")).toMatch(/lab\/large 4\.13 0\.90 \$0\.00 0002 \$0\.00 000025 12\.5 %/);
  expect(rowOf(page, "lab/never-held")).toContain("–");
  expect(
    ["large", "small", "never-held"].map((model) => page.indexOf(`lab/${model}`)).toSorted((a, b) => a - b),
  ).toEqual(["large", "small", "never-held"].map((model) => page.indexOf(`lab/${model}`)));
  expect(text(await read(await signedIn(site()), "/dashboard/prices/estimates"))).toContain("Nothing learned yet");
});

test("one call shows its terms, the tier of its prices and what was adjusted since", async () => {
  const call = callRow(1, {
    costNano: 3_000_000_000,
    chargeNano: 4_000_000_000,
    notes: {
      lines: [
        { item: "input", quantity: 5, price: "2.5", tier: "priority" },
        { item: "image", quantity: 3, price: "40000" },
        { item: "second", quantity: 2_000, price: "1234567.8901" },
        { item: "webSearch", quantity: 1, price: "0.000001" },
        { item: "request", quantity: 1, price: "7000000" },
        { item: "character", quantity: 900, price: "15" },
      ],
      terms: { version: "config:1", margin: "20", fee: "0.01" },
      serviceTier: "priority",
    },
    adjustments: [
      {
        costDeltaNano: -5_000_000,
        chargeDeltaNano: -6_000_000,
        priceVersion: "database:7",
        reason: "wrong list",
        author: "ada",
        createdMs: startMs,
      },
    ],
  });
  const { browser } = await visit({ calls: [call] });
  const page = text(await read(browser, `/dashboard/calls/${call.callId}`));
  expect(page).toContain(
    "input priority 5 2.5 per million tokens image 3 0.04 per image second 2,000 1.2345678901 per second webSearch 1 0.000000000001 per search request 1 7 per call character 900 15 per million characters",
  );
  expect(page).not.toContain("USD per million");
  expect(page).toMatch(/Terms cost \+ 20 % \+ 0\.01 USD config:1/);
  expect(page).toMatch(/Adjustments .* wrong list by ada −\$0\.00 5 −\$0\.00 6 database:7/);
});
