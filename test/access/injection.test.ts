import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { csvRows } from "../support/csv.ts";
import { invariants } from "../support/invariants.ts";
import { canaries } from "../support/markup.ts";
import { answers } from "../support/openai-answers.ts";
import { sendRaw } from "../support/raw.ts";
import { json } from "../support/scripts.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { api, operatorSession, page, send } from "../support/visits.ts";
import { everyRoute, filled, isForm, unknownId } from "./routes.ts";

/** Values that would be SQL, a pattern, a line, a cell, a sample or a template to whoever does not keep them apart (B9). */
const routes = everyRoute();
let setup: Setup;
let described: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
interface Operation {
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: { readonly "application/json": { readonly schema: Schema } } };
}
interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
}
beforeAll(async () => {
  setup = await setUp({ config: "limits: [{ scope: { kind: ip }, requestsPerMinute: 1000000 }]" });
  setup.upstream.on("ok", answers());
  for (let at = 0; at < 3; at++) await call(setup.gateway, setup.key.key, chat("mock/ok"));
  described = (await api(setup.gateway, "GET", "/openapi.json")).body.paths;
});
afterAll(() => setup.stop());

const statements = [
  "' OR '1'='1",
  "1 OR 1=1",
  "';DROP TABLE keys;--",
  "' UNION SELECT digest FROM keys--",
  "') OR randomblob(300000000) OR ('",
  "%' AND 1=(SELECT count(*) FROM keys)--",
  "id; SELECT 1",
  '"id" DESC--',
  "\\'; --",
  "%00' OR 1=1",
  "* FROM keys--",
];

describe("SQL (113)", () => {
  test("in every query value, path and body of the API is a mistake or finds nothing, and is quick", async () => {
    const { gateway } = setup;
    // The first makes the account that test calls stand on.
    await api(gateway, "POST", "/api/models/test", { model: "mock/none" });
    const [before, rows] = [stateOf(), counts()];
    const wrong: string[] = [];
    let tried = 0;
    const ask = async (method: string, path: string, body?: object) => {
      const startMs = performance.now();
      const answer = await api(gateway, method, path, body);
      tried += 1;
      const tookMs = performance.now() - startMs;
      if (answer.status >= 500 || /SQLITE|syntax error|no such (?:table|column)/i.test(answer.text) || tookMs > 10_000)
        wrong.push(`${method} ${path} ${JSON.stringify(body)}: ${answer.status} after ${tookMs} ms`);
      return answer;
    };
    for (const [path, operations] of Object.entries(described))
      for (const [name, { parameters, requestBody }] of Object.entries(operations)) {
        const method = name.toUpperCase();
        // Those would stop this key, or make a new secret.
        if (path.startsWith("/v1/")) continue;
        const to = path.replace(/\{\w+\}/g, unknownId);
        for (const text of statements) {
          const value = encodeURIComponent(text);
          if (method === "GET")
            for (const each of parameters.filter((one) => one.in === "query")) {
              const answer = await ask(method, `${to}?${each.name}=${value}`);
              const found = Array.isArray(answer.body?.data) ? answer.body.data.length : 0;
              // A group or a sum of everything is no list of what was asked for.
              if (answer.status === 200 && found > 0 && !/usage|format/.test(to + each.name))
                wrong.push(`${method} ${to}?${each.name}=${text}: ${found} found`);
            }
          if (path.includes("{")) await ask(method, path.replace(/\{\w+\}/g, value), method === "GET" ? undefined : {});
          for (const field of Object.keys(requestBody?.content["application/json"].schema.properties ?? {}).slice(
            0,
            12,
          )) {
            const isNew = method === "POST" && /^(?:name|email|note)$/.test(field);
            if (!isNew) await ask(method, to, { [field]: text });
          }
        }
      }
    expect(wrong).toEqual([]);
    expect(tried).toBeGreaterThan(1_500);
    expect(stateOf()).toEqual(before);
    expect(counts()).toEqual(rows);
  }, 120_000);

  test("in every page's filters and in calls", async () => {
    const { gateway, key } = setup;
    const { cookie } = await operatorSession(gateway);
    const before = stateOf();
    const names = ["q", "search", "model", "provider", "key", "account", "status", "after", "source", "kind", "scope"];
    for (const { method, path } of routes().filter((route) => isForm(route.path) && route.method === "GET"))
      for (const text of statements) {
        const value = encodeURIComponent(text);
        const query = names.map((name) => `${name}=${value}`).join("&");
        for (const to of [`${filled(path, method)}?${query}`, path.replace(/:\w+/g, value)]) {
          const { status, text: shown } = await page(gateway, to, cookie);
          expect([to, status < 500, /SQLITE_|SQLiteError|syntax error/i.test(shown)]).toEqual([to, true, false]);
        }
      }
    for (const text of statements) {
      const body = chat(text, { user: text, metadata: { [text]: text } });
      expect((await call(gateway, key.key, body, { headers: { "idempotency-key": text } })).status).toBe(404);
      const model = encodeURIComponent(text);
      for (const path of [`/v1/models/${model}`, `/v1beta/models/${model}`])
        expect((await send(gateway, "GET", path, { headers: { "x-api-key": key.key } })).status).toBe(404);
    }
    expect(stateOf()).toEqual(before);
    await invariants(setup);
  }, 60_000);
});

describe("patterns in a search (115)", () => {
  test("are text: they find what they say, soon", async () => {
    for (const needle of ["%".repeat(10_000), "_".repeat(10_000), "[", "a%b", "?".repeat(5_000)])
      for (const path of ["/api/prices?search=", "/api/calls?model=", "/api/accounts?parentId="]) {
        const startMs = performance.now();
        const { status, body } = await api(setup.gateway, "GET", path + encodeURIComponent(needle));
        // What takes long here would take minutes; a loaded machine is uneven.
        expect([path, needle.slice(0, 3), performance.now() - startMs < 10_000]).toEqual([
          path,
          needle.slice(0, 3),
          true,
        ]);
        expect([200, 400, 414, 431]).toContain(status);
        if (status === 200) expect(body.data).toEqual([]);
      }
  });
});

describe("the log (116)", () => {
  test("is one JSON object a line whatever callers and providers say, none of them long", async () => {
    const { gateway, upstream, key } = setup;
    const nasty = [
      "a\nb",
      "a\r\n{}",
      "\u001b[2J\u001b]0;x\u0007",
      "\u2028\u2029",
      '"}{"level":"fatal"',
      "\u0000\u007f",
      "x".repeat(1_000_000),
    ];
    for (const text of nasty) {
      upstream.on("bad", json(400, { error: { message: text, type: text, code: text } }));
      const inHeader = text.replace(/[^\x20-\x7e\u0080-\u00ff]/g, " ").slice(0, 8_000);
      for (const model of ["mock/bad", text, `mock/${text}`])
        await call(gateway, key.key, chat(model, { user: text }), { headers: { "user-agent": inHeader } });
      await sendRaw(gateway.url, { method: "GET", path: `/v1/${encodeURIComponent(text).slice(0, 8_000)}` });
      await send(gateway, "GET", `/api/keys/${encodeURIComponent(text).slice(0, 4_000)}`);
    }
    for (const line of gateway
      .log()
      .split("\n")
      .filter((each) => each.startsWith("{") || each.includes("fatal"))) {
      expect(typeof JSON.parse(line)).toBe("object");
      expect(/[\p{Cc}\u2028\u2029]/u.test(line)).toBe(false);
      expect(Buffer.byteLength(line)).toBeLessThanOrEqual(16_384);
      expect(JSON.parse(line).level).not.toBe("fatal");
    }
    await invariants(setup);
  }, 30_000);
});

describe("cells of an export (117)", () => {
  test("run in no spreadsheet, and read back as they were", async () => {
    const { gateway } = setup;
    const texts = ["=1+1", "+1", "-1", "@SUM(1)", 'a "quoted" name', "a;b", "a,b", "\ufeffname", "=cmd|' /C calc'!A0"];
    for (const name of texts) {
      const { key } = await gateway.createKey({ name, models: ["mock/*"] });
      await call(gateway, key, chat("mock/ok"));
      await call(gateway, key, chat(`mock/${name}`));
    }
    for (const path of ["/api/calls/export?format=csv", "/api/usage/export?format=csv&groupBy=key,model"]) {
      const { text } = await api(gateway, "GET", path);
      const rows = csvRows(text);
      const cells = rows.flatMap((row) => Object.values(row));
      expect(cells.filter((cell) => /^[=+@\t\r]/.test(cell) || /^-(?!\d)/.test(cell))).toEqual([]);
      // Neutralised is not lost: what stands behind the mark is the text.
      const plain = new Set(cells.map((cell) => cell.replace(/^'/, "")));
      expect([path, texts.slice(0, 4).filter((each) => ![...plain].some((cell) => cell.includes(each)))]).toEqual([
        path,
        [],
      ]);
    }
    await invariants(setup);
  });
});

describe("samples of the metrics (118)", () => {
  test("stay samples whatever a model is called", async () => {
    const { gateway, key } = setup;
    for (const model of ['a"} 1\nfake 9', "a\\", 'b"', "c\nd 1"]) await call(gateway, key.key, chat(model));
    const { text } = await api(gateway, "GET", "/metrics");
    const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    const sample =
      /^[a-zA-Z_:][\w:]*(?:\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (?:[-+]?[\d.eE+-]+|NaN|[+-]Inf)$/;
    expect(lines.filter((line) => !sample.test(line))).toEqual([]);
    expect(text).not.toContain("fake");
  });
});

describe("templates (119)", () => {
  test("are text in names, prompts and answers", async () => {
    const { gateway, upstream, key } = setup;
    const templates = [
      "{{constructor.constructor('return 1')()}}",
      "{{7*7}}",
      "${process.env.PATH}",
      "<%= 7*7 %>",
      "%s%n%x",
      "#{7*7}",
      "{{.Env}}",
    ];
    for (const text of templates) {
      upstream.on("say", answers({ text }));
      const reply = await call(gateway, key.key, { ...chat("mock/say"), messages: [{ role: "user", content: text }] });
      expect(JSON.parse(reply.text).choices[0].message.content).toBe(text);
      expect(upstream.log.at(-1)?.json["messages"]).toEqual([{ role: "user", content: text }]);
      const made = await api(gateway, "POST", "/api/keys", { name: text, metadata: { note: text } });
      gateway.secrets.add(made.body.key);
      expect(made.body).toMatchObject({ name: text, metadata: { note: text } });
    }
    expect(canaries).toContain("{{7*7}}");
    await invariants(setup);
  });
});

const stateOf = () =>
  ["keys", "accounts", "budgets", "limits", "people", "book_entries", "sqlite_master"].map((table) =>
    setup.gateway.sql(`select * from ${table}`),
  );
/** A test call of a model that there is not leaves a refused one. */
const counts = () => setup.gateway.sql("select count(*) as n from v_usage where status <> 'refused'");
