import { expect, test } from "bun:test";
import { outline } from "../support/markup.ts";
import { site } from "./site.ts";
import { visitor } from "./visitor.ts";

test("what a page loads comes from here, named by its content, and may be kept for ever", async () => {
  const browser = visitor(site());
  const { sources } = await outline(await (await browser.get("/dashboard/login")).text());
  expect(sources).toHaveLength(3);
  for (const path of sources) {
    expect(path).toMatch(/^\/dashboard\/assets\/[a-z]+-[0-9a-f]{16}\.(css|js|svg)$/);
    const answer = await browser.get(path);
    expect(answer.headers.get("cache-control")).toContain("immutable");
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    expect((await answer.text()).length).toBeGreaterThan(100);
    const etag = answer.headers.get("etag") ?? "";
    expect((await browser.get(path, { "if-none-match": etag })).status).toBe(304);
  }
});

test("the script is htmx 4 and then our own", async () => {
  const browser = visitor(site());
  const { sources } = await outline(await (await browser.get("/dashboard/login")).text());
  const script = await (await browser.get(sources.find((path) => path.endsWith(".js")) ?? "")).text();
  expect(script).toContain('"4.0.1"');
  expect(script).toContain("\n;\n");
  expect(script.indexOf("data-copy")).toBeGreaterThan(script.indexOf("outerMorph"));
});

test("what is not there is not found, and is no page", async () => {
  const answer = await visitor(site()).get("/dashboard/assets/app-0000000000000000.js");
  expect([answer.status, answer.headers.get("content-type")]).toEqual([404, "text/plain; charset=utf-8"]);
});
