import { describe, expect, test } from "bun:test";
import { seed } from "./seed.ts";
import { site } from "./site.ts";
import { signedIn } from "./visitor.ts";

const text = (markup: string): string => markup.replaceAll(/<[^>]+>/g, " ").replaceAll(/\s+/g, " ");
const open = async () => {
  const one = site({ seed: seed() });
  return { one, visitor: await signedIn(one) };
};
type Visitor = Awaited<ReturnType<typeof open>>["visitor"];
const shown = async (visitor: Visitor, path: string) => text(await (await visitor.get(path)).text());

describe("limits", () => {
  test("are made and changed by forms, shown with their use, and removed", async () => {
    const { visitor } = await open();
    const made = await visitor.post("/dashboard/limits", {
      kind: "account",
      id: "research",
      amount: "60",
      measure: "requests",
      per: "minute",
      enforce: "yes",
    });
    expect(made.status).toBe(303);
    const path = made.headers.get("location") ?? "";
    expect(await shown(visitor, path)).toMatch(/account Research 60 requests a minute .* 0 requests .* is refused/);
    const raised = await visitor.post(path, {
      requestsPerMinute: "90",
      amount: "2.5",
      measure: "spend",
      per: "day",
      enforce: "no",
    });
    expect(raised.headers.get("location")).toBe(path);
    const page = await shown(visitor, path);
    expect(page).toMatch(/90 requests a minute .* is only told of/);
    expect(page).toMatch(/2\.5 USD a day .* 0 USD/);
    expect(await (await visitor.get(path)).text()).toContain('name="usdPerDay" value="2.5"');
    // An empty field takes a limit away.
    await visitor.post(path, { requestsPerMinute: "", enforce: "yes" });
    expect(await shown(visitor, path)).not.toContain("requests a minute");
    expect(await shown(visitor, "/dashboard/limits")).toContain("2.5 USD a day");
    expect(await shown(visitor, "/dashboard/accounts/research")).toMatch(/Limits on it .*2\.5 USD a day/);
    expect((await visitor.post(`${path}/removal`)).headers.get("location")).toBe("/dashboard/limits");
    expect((await visitor.get(path)).status).toBe(404);
    expect(await shown(visitor, "/dashboard/limits")).not.toContain("2.5 USD a day");
  });

  test("the page shows what is the default, and keys with limits of their own", async () => {
    const { visitor, one } = await open();
    const key = one.database.rows.keys[0];
    if (key) one.database.rows.keys[0] = { ...key, revokedMs: null, limits: { tokensPerHour: 5_000 } };
    const page = await shown(visitor, "/dashboard/limits");
    expect(page).toMatch(/ip each 100 requests a minute .* default/);
    expect(page).toMatch(/Keys with limits of their own .*5000 tokens an hour/);
    expect(await shown(visitor, "/dashboard/keys")).toContain("5000 tokens an hour");
    // Those of the file are no page to change.
    expect((await visitor.get("/dashboard/limits/default-ip")).status).toBe(404);
  });

  test.each<[string, Readonly<Record<string, string>>, string]>([
    ["no amount", { kind: "global", measure: "requests", per: "day" }, "whole number from 1"],
    ["half a request", { kind: "global", amount: "0.5", measure: "requests", per: "day" }, "whole number from 1"],
    ["nothing to count", { kind: "global", amount: "5", measure: "cats", per: "day" }, "not known"],
    [
      "nobody",
      { kind: "key", id: "nobody", amount: "5", measure: "requests", per: "day" },
      "Which one: no key has this id",
    ],
    ["free money", { kind: "global", amount: "0", measure: "spend", per: "day" }, "At most: expected an amount"],
    ["no money", { kind: "global", amount: "x", measure: "spend", per: "hour" }, "At most: expected an amount"],
    ["tokens of strangers", { kind: "ip", amount: "5", measure: "tokens", per: "day" }, "not for ip"],
  ])("%s is refused beside what was typed", async (_, form, says) => {
    const { visitor } = await open();
    const answer = await visitor.post("/dashboard/limits", form);
    expect(answer.status).toBe(422);
    expect(text(await answer.text())).toContain(says);
  });

  test("hostile names stay text", async () => {
    const { visitor } = await open();
    const id = '<script>alert(1)</script>"';
    await visitor.post("/dashboard/limits", { kind: "model", id, amount: "5", measure: "concurrency", per: "day" });
    const page = await (await visitor.get("/dashboard/limits")).text();
    expect(page).not.toContain("<script>alert");
    expect(text(page)).toContain("5 calls at once");
  });
});
