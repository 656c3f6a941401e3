import { expect, test } from "bun:test";
import { aReceiver, anAlert, fakeOutbox } from "../support/fake-outbox.ts";
import { seed } from "./seed.ts";
import { site } from "./site.ts";
import { signedIn } from "./visitor.ts";

const textOf = (markup: string): string =>
  markup
    .replaceAll(/<title>[^<]*<\/title>|<(?!span class="fine")[^>]+>/g, " ")
    .replaceAll(/<[^>]+>/g, "")
    .replaceAll(/\s+/g, " ");

const failing = aReceiver({
  name: "broken",
  events: ["usage.call"],
  behind: 1_200,
  oldestMs: Date.UTC(2025, 10, 23, 13),
  dead: 1,
  attempts: 7,
  lastError: "HTTP 500",
  lastErrorMs: Date.UTC(2025, 10, 23, 14),
});
const dead = {
  id: "e1",
  type: "usage.call",
  text: "Call e1 ended",
  attempts: 40,
  sinceMs: 1,
  endedMs: 2,
  lastError: "HTTP 400",
};
const delivery = { receiver: "broken", nextMs: 5, endedMs: null, lastError: "HTTP 500" };

test("the page shows receivers, what was told, and what was given up", async () => {
  const outbox = fakeOutbox({
    receivers: [aReceiver(), failing, aReceiver({ name: "old", events: [], waiting: 2 })],
    alerts: [
      anAlert(),
      anAlert({
        deliveries: [
          { ...delivery, state: "waiting", attempts: 3 },
          { ...delivery, receiver: "x", state: "dead", attempts: 9 },
        ],
      }),
    ],
    dead: [dead],
  });
  const visitor = await signedIn(site({ seed: seed(), outbox }));
  const text = textOf(await (await visitor.get("/dashboard/alerts")).text());
  for (const part of [
    "ops budget.threshold credit.low up to date",
    "broken usage.call failing 1,200",
    "HTTP 500",
    "not in the config gone",
    "Given up for broken",
    "Call e1 ended",
    "80 % of $25.00",
    "delivered",
    "failed 3 ×",
    "given up",
  ])
    expect(text).toContain(part);
});

test("a test is sent, and what failed is tried again", async () => {
  const outbox = fakeOutbox({ receivers: [aReceiver(), failing] });
  const visitor = await signedIn(site({ seed: seed(), outbox }));
  expect(textOf(await (await visitor.post("/dashboard/alerts/ops/test")).text())).toContain("ops took the test.");
  expect(textOf(await (await visitor.post("/dashboard/alerts/broken/test")).text())).toContain(
    "broken did not take the test: HTTP 500",
  );
  expect((await visitor.post("/dashboard/alerts/nobody/test")).status).toBe(404);
  expect((await visitor.post("/dashboard/alerts/broken/retry")).headers.get("location")).toBe("/dashboard/alerts");
  expect(outbox.retried).toEqual(["broken"]);
});

test("without receivers the page says what to do", async () => {
  const visitor = await signedIn(site({ seed: seed() }));
  expect(textOf(await (await visitor.get("/dashboard/alerts")).text())).toContain("has no receiver");
});

test("a budget's thresholds are typed as people do, and nothing typed ends them", async () => {
  const one = site({ seed: seed() });
  const visitor = await signedIn(one);
  const terms = { kind: "global", usd: "1", window: "day" };
  const made = await visitor.post("/dashboard/budgets", { ...terms, alertPercents: "90 %, 50" });
  const path = made.headers.get("location") ?? "";
  const budget = () => one.database.rows.budgets.at(-1);
  expect(budget()?.alertPercents).toEqual([50, 90]);
  expect(textOf(await (await visitor.get(path)).text())).toContain("Alerts at 50, 90 % of the limit");
  expect((await visitor.post(path, { usd: "1", alertPercents: "soon" })).status).toBe(422);
  await visitor.post(path, { usd: "1", alertPercents: " " });
  expect(budget()?.alertPercents).toEqual([]);
  await visitor.post("/dashboard/budgets", { ...terms, alertPercents: "" });
  expect(budget()?.alertPercents).toEqual([80, 100]);
});
