import { afterAll, afterEach, describe, expect, test } from "bun:test";
import type { JsonObject } from "../../core/chat/json.ts";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { api, joined } from "../audit/people.ts";
import { call, chat, errorOf } from "../support/clients.ts";
import { ask, messageOf } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { json } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenWhole } from "../support/spoken.ts";

/** What an operator says of the targets of an alias: what they are not sent, what they are sent besides, what they lack. */

const names: readonly DialectName[] = ["openai-chat", "openai-responses", "anthropic-messages", "gemini"];
const setup = await setUp({
  dialects: names,
  config: [
    "  - { target: mock/small, input: 1, output: 2, contextWindow: 2000, maxOutputTokens: 500 }",
    "  - { target: mock/large, input: 1, output: 2, contextWindow: 200000, maxOutputTokens: 64000 }",
    "  - { target: mock/text, input: 1, output: 2, lacks: [images, audio, files, tools, reasoning, structuredOutput] }",
    "models:",
    "  told:",
    "    targets:",
    "      - target: mock/told",
    "        drop: [topP, seed, reasoning]",
    "        defaults: { temperature: 0.25, stop: [END], maxOutputTokens: 77 }",
    ...names.flatMap((name) => [
      `  told-${name}:`,
      "    targets:",
      `      - { target: mock-${name}/told-${name}, drop: [topP], defaults: { temperature: 0.25 } }`,
    ]),
    "  outer: { targets: [{ target: told, drop: [user], defaults: { temperature: 1 } }] }",
    "  think: { targets: [{ target: mock-anthropic-messages/claude-sonnet-4-5, defaults: { reasoning: { effort: high } } }] }",
    ...["ordered", "weighted"].flatMap((strategy) => [
      `  twice-${strategy}:`,
      `    strategy: ${strategy}`,
      "    targets:",
      "      - { target: mock/told, when: { headers: { x-mode: deep } }, defaults: { temperature: 1 } }",
      "      - { target: mock/told, defaults: { temperature: 0 } }",
    ]),
    "  sized: [mock/small, mock/large]",
    "  small: [mock/small]",
    "  able: [mock/text, mock/large]",
    "  text: { targets: [{ target: mock/text, when: { tokens: { upTo: 100000 } } }, mock/text] }",
    "  less: { targets: [{ target: mock/text, drop: [reasoning] }] }",
    "  by-tag:",
    "    targets:",
    "      - { target: mock/large, when: { account: { tier: [gold, plat*] } } }",
    "      - { target: mock/small, when: { account: { tier: '*' } } }",
    "      - { target: mock/told, when: { headers: { X-Team: search } } }",
    "  by-call:",
    "    strategy: weighted",
    "    targets:",
    "      - { target: mock/large, weight: 5, when: { tokens: { above: 500 } } }",
    "      - { target: mock/small, weight: 0, when: { content: { with: [tools], without: [images] }, tokens: { upTo: 500 } } }",
    "      - { target: mock/told, weight: 0, when: { operations: [count-tokens] } }",
    "  rules: { targets: [{ target: by-tag, when: { headers: { x-rule: tag } } }, { target: by-call, when: { headers: { x-rule: '*' } } }, mock/text] }",
    "  canary: { targets: [mock/small, { target: mock/large, canary: 40 }] }",
  ].join("\n"),
});
const { gateway, upstream, key } = setup;
afterEach(() => invariants(setup));
afterAll(() => setup.stop());
for (const model of ["told", "small", "large", "text"]) upstream.on(model, answers());
for (const name of names)
  upstream.on(`told-${name}`, json(200, spokenWhole(name, { text: "Hello.", usage: { input: 11, output: 3 } })));

interface Explained {
  readonly targets: readonly { readonly target: string; readonly state: string; readonly words: string | null }[];
}
const lastSent = (model: string): string => upstream.requestsFor(model).at(-1)?.request.body.toString("utf8") ?? "";

describe("what a target is not sent, and what it is sent besides", () => {
  test("the client's own bytes but for that, and a warning for what it asked for in vain", async () => {
    const tail = '"seed": 12345678901234567890 , "messages":[{"role":"user","content":"\\ud83d é"}],"x":1.0}';
    const { status, headers } = await call(gateway, key.key, `{ "model":"told", "top_p":0.5,${tail}`);
    expect([status, headers.get("x-llm-proxy-warnings")]).toEqual([
      200,
      ["topP", "seed"].map((name) => `${name} is left out, as the operator says for this target`).join("; "),
    ]);
    const sent = '{"max_tokens":77,"temperature":0.25,"stop":["END"]';
    const messages = '"messages":[{"role":"user","content":"\\ud83d é"}],"x":1.0}';
    expect(sorted(lastSent("told"))).toBe(sorted(`${sent}, "model":"told", ${messages}`));
    expect(lastSent("told")).toEndWith(messages);
  });

  test("a request that needs nothing of it goes as it came", async () => {
    const body =
      '{"stop":"x", "temperature":1,"max_tokens":5, "model":"told" ,"messages":[{"role":"user","content":"a"}]}';
    const { headers } = await call(gateway, key.key, body);
    expect([lastSent("told"), headers.get("x-llm-proxy-warnings")]).toEqual([body, null]);
  });

  for (const client of names)
    for (const spoken of names)
      test(`${client} to ${spoken}`, async () => {
        const config = client === "gemini" ? { generationConfig: { topP: 0.5 } } : { top_p: 0.5 };
        const reply = await ask(gateway, key.key, client, { model: `told-${spoken}`, more: config });
        expect([reply.status, reply.headers.get("x-llm-proxy-warnings")]).toEqual([
          200,
          expect.stringContaining("topP is left out"),
        ]);
        const sent: Record<string, unknown> = JSON.parse(lastSent(`told-${spoken}`));
        const settings = spoken === "gemini" ? sent["generationConfig"] : sent;
        expect(settings).toMatchObject({ temperature: 0.25 });
        expect(JSON.stringify(sent)).not.toMatch(/top_?p/i);
      });

  test("aliases of aliases say it together, the outer one last", async () => {
    const { headers } = await call(gateway, key.key, chat("outer", { user: "me", seed: 1 }));
    expect(JSON.parse(lastSent("told"))).toEqual({
      ...chat("told"),
      temperature: 1,
      stop: ["END"],
      max_tokens: 77,
    });
    expect(headers.get("x-llm-proxy-warnings")).toContain("seed is left out");
    expect(headers.get("x-llm-proxy-warnings")).toContain("user is left out");
  });

  test("what its model does not take with the rest of the call is left out, and told, relayed as translated", async () => {
    const spoken = spokenWhole("anthropic-messages", { text: "Hi", usage: { input: 3, output: 1 } });
    upstream.on("claude-sonnet-4-5", json(200, spoken));
    const forced = { type: "tool", name: "f" };
    const own = { max_tokens: 8_000, temperature: 0.2, tools: [{ name: "f", input_schema: { type: "object" } }] };
    const tools = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];
    const relayed = { ...chat("think"), ...own, tool_choice: forced };
    const replies = [
      await call(gateway, key.key, relayed, { path: "/v1/messages" }),
      await call(gateway, key.key, {
        ...chat("think", { max_tokens: 8_000, temperature: 0.2, tools }),
        tool_choice: { type: "function", function: { name: "f" } },
      }),
    ];
    for (const { headers } of replies)
      expect(headers.get("x-llm-proxy-warnings")).toContain("reasoning together with a forced tool choice; left out");
    const sent = upstream.requestsFor("claude-sonnet-4-5").map(({ request }) => request.body.toString("utf8"));
    expect(sent[0]).toBe(JSON.stringify({ ...relayed, model: "claude-sonnet-4-5" }));
    expect(JSON.parse(sent[1] ?? "")).not.toHaveProperty("thinking");
    await call(gateway, key.key, { ...chat("think"), ...own }, { path: "/v1/messages" });
    const { temperature: _, ...left } = own;
    expect(JSON.parse(lastSent("claude-sonnet-4-5"))).toEqual({
      ...chat("claude-sonnet-4-5"),
      ...left,
      thinking: { type: "enabled", budget_tokens: 3_904 },
    });
  });

  test("one target says other things in other calls, and is asked once", async () => {
    const { length: before } = upstream.requestsFor("told");
    const sent = async (model: string, headers: Readonly<Record<string, string>>) => {
      const { callId } = await call(gateway, key.key, chat(model), { headers });
      const body: JsonObject = JSON.parse(lastSent("told"));
      const { targets } = await gateway.admin<Explained>("GET", `/api/explain/${callId}`);
      return [body["temperature"], ...targets.map(({ target, state, words }) => [target, state, words])];
    };
    const deep = ["mock/told", "chosen", null];
    const usual = ["mock/told", "chosen", "another entry of it is for calls with other headers"];
    for (const model of ["twice-ordered", "twice-weighted"]) {
      for (let at = 0; at < 4; at++) expect(await sent(model, { "x-mode": "deep" })).toEqual([1, deep]);
      expect(await sent(model, {})).toEqual([0, usual]);
    }
    expect(upstream.requestsFor("told").length).toBe(before + 10);
    const { data } = await gateway.admin<{ data: { id: string; targets?: unknown[]; reaches?: string[] }[] }>(
      "GET",
      "/api/models",
    );
    const line = data.find(({ id }) => id === "twice-ordered");
    expect([line?.targets?.length, line?.reaches]).toEqual([2, ["mock/told"]]);
  });

  test("the target by its own name is sent what the client says", async () => {
    await call(gateway, key.key, chat("mock/told", { seed: 1 }));
    expect(JSON.parse(lastSent("told"))).toEqual(chat("told", { seed: 1 }));
  });
});

describe("a target that cannot carry a call", () => {
  const image = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } };
  const messages = (...parts: readonly object[]) => ({ messages: [{ role: "user", content: parts }] });
  const schema = { type: "json_schema", json_schema: { name: "a", schema: { type: "object" } } };
  const asks: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
    images: messages(image),
    audio: messages({ type: "input_audio", input_audio: { data: "AAAA", format: "wav" } }),
    files: messages({ type: "file", file: { file_data: "data:application/pdf;base64,AAAA", filename: "a.pdf" } }),
    tools: { tools: [{ type: "function", function: { name: "f", parameters: { type: "object" } } }] },
    reasoning: { reasoning_effort: "low" },
    "a JSON schema for the answer": { response_format: schema },
  };
  const toldFor = async (model: string, more: object) => {
    const { status, headers, text } = await call(gateway, key.key, { ...chat(model), ...more });
    return status === 200
      ? [headers.get("x-llm-proxy-model"), headers.get("x-llm-proxy-attempts")]
      : [status, errorOf(text).code, errorOf(text).message];
  };

  for (const [what, more] of Object.entries(asks))
    test(`is not asked for ${what}`, async () => {
      expect(await toldFor("able", {})).toEqual(["text", "1"]);
      expect(await toldFor("able", more)).toEqual(["large", "1"]);
      const refused = `no target of this model takes the call: does not take ${what} (1 target)`;
      expect(await toldFor("text", more)).toEqual([400, "no_target_fits", refused]);
      // By its own name it is the client's to choose, and the provider's to refuse.
      expect(await toldFor("mock/text", more)).toEqual(["text", "1"]);
    });

  test("is asked when what it lacks is not sent to it, or not asked for", async () => {
    expect(await toldFor("less", { reasoning_effort: "low" })).toEqual(["text", "1"]);
    expect(await toldFor("text", { reasoning_effort: "none" })).toEqual(["text", "1"]);
  });

  test("is not asked for more output than it can write", async () => {
    expect(await toldFor("sized", { max_tokens: 500 })).toEqual(["small", "1"]);
    expect(await toldFor("sized", { max_tokens: 501 })).toEqual(["large", "1"]);
    expect(await toldFor("small", { max_tokens: 501 })).toEqual([
      400,
      "no_target_fits",
      "no target of this model takes the call: writes at most 500 tokens, 501 are asked for (1 target)",
    ]);
  });

  test("is not asked for what is likely longer than its context, unless there is no other", async () => {
    const long = { messages: [{ role: "user", content: "word ".repeat(2_000) }] };
    expect(await toldFor("sized", long)).toEqual(["large", "1"]);
    expect(await toldFor("small", long)).toEqual(["small", "1"]);
  });

  test("a refusal is in the caller's words, has a row, and reached nobody", async () => {
    const before = upstream.log.length;
    const bodies: Readonly<Record<DialectName, Readonly<Record<string, unknown>>>> = {
      "openai-chat": asks["images"] ?? {},
      "openai-responses": {
        input: [{ role: "user", content: [{ type: "input_image", image_url: "data:image/png;base64,AAAA" }] }],
      },
      "anthropic-messages": messages({
        type: "image",
        source: { type: "base64", media_type: "image/png", data: "AAAA" },
      }),
      gemini: { contents: [{ parts: [{ inlineData: { mimeType: "image/png", data: "AAAA" } }] }] },
    };
    for (const name of names) {
      const reply = await ask(gateway, key.key, name, { model: "text", more: bodies[name] });
      expect(reply.status).toBe(400);
      expect(messageOf(name, reply.text)).toContain("does not take images (1 target)");
    }
    expect(upstream.log.length).toBe(before);
  });

  test("the list of models says what is known", async () => {
    const { data } = await gateway.admin<{ data: readonly { id: string; lacks?: readonly string[] }[] }>(
      "GET",
      "/api/models?provider=mock",
    );
    expect(data.find(({ id }) => id === "mock/text")?.lacks).toContain("images");
    expect(data.find(({ id }) => id === "mock/large")?.lacks).toEqual([]);
  });
});

describe("conditions of an alias", () => {
  const toldFor = async (
    token: string,
    model: string,
    more: object = {},
    headers: Readonly<Record<string, string>> = {},
  ) => {
    const reply = await call(gateway, token, { ...chat(model), ...more }, { headers });
    return reply.status === 200 ? reply.headers.get("x-llm-proxy-model") : errorOf(reply.text).message;
  };
  const none = (...reasons: readonly string[]) => `no target of this model takes the call: ${reasons.join("; ")}`;

  test("on the metadata of the topmost account that has it, and on headers", async () => {
    const account = (name: string, parentId: string | null, metadata: object) =>
      gateway.admin<{ readonly id: string }>("POST", "/api/accounts", { name, parentId, metadata });
    const keyOf = async (accountId: string) => (await gateway.createKey({ accountId })).key;
    const gold = await account("gold", null, { tier: "gold" });
    const below = await keyOf((await account("below", gold.id, { other: "x" })).id);
    const other = await keyOf((await account("silver", gold.id, { tier: "silver" })).id);
    const platinum = await keyOf((await account("platinum", null, { tier: "platinum" })).id);
    expect(await toldFor(below, "by-tag")).toBe("large");
    expect(await toldFor(platinum, "by-tag")).toBe("large");
    // An account below cannot change where its calls go.
    expect(await toldFor(other, "by-tag")).toBe("large");
    expect(await toldFor(key.key, "by-tag", {}, { "x-team": "search" })).toBe("told");
    const refused = none("is for other accounts (2 targets)", "is for calls with other headers (1 target)");
    expect(await toldFor(key.key, "by-tag", {}, { "x-team": "searching" })).toBe(refused);
    // As one that is given twice comes.
    expect(await toldFor(key.key, "by-tag", {}, { "x-team": "ads, search" })).toBe("told");
    expect(await toldFor(key.key, "by-tag", {}, { "x-team": "ads,searching" })).toBe(refused);
    expect(await toldFor(key.key, "by-tag")).toBe(refused);
    // A tag that is set holds from the next call on.
    await gateway.admin("PATCH", "/api/accounts/default", { metadata: { tier: "gold" } });
    expect(await toldFor(key.key, "by-tag")).toBe("large");
    await gateway.admin("PATCH", "/api/accounts/default", { metadata: {} });
    expect(await toldFor(key.key, "by-tag")).toBe(refused);
  });

  test("on tags that people of an account cannot give themselves, on it or below it", async () => {
    const { id } = await gateway.admin<{ readonly id: string }>("POST", "/api/accounts", { name: "untagged" });
    const { token } = await joined(gateway, "admin", id);
    const tried = async (method: string, path: string, body: object) =>
      (await api(gateway, method, path, { body, token })).status;
    const below = async (metadata: object) =>
      api(gateway, "POST", "/api/accounts", { body: { name: "below", metadata }, token });
    expect(await tried("PATCH", `/api/accounts/${id}`, { metadata: { tier: "gold" } })).toBe(403);
    expect(await tried("PATCH", `/api/accounts/${id}`, { metadata: { team: "search" } })).toBe(403);
    expect((await below({ tier: "gold" })).status).toBe(403);
    const made = await below({ team: "search" });
    expect([made.status, made.body.metadata]).toEqual([201, { team: "search" }]);
    const path = `/api/accounts/${made.body.id}`;
    expect(await tried("PATCH", path, { metadata: { team: "search", tier: "gold" } })).toBe(403);
    // What was said from above stays as it is, whatever they say beside it.
    await gateway.admin("PATCH", path, { metadata: { tier: "gold" } });
    expect(await tried("PATCH", path, { metadata: { tier: "gold", team: "ads" } })).toBe(200);
    expect(await tried("PATCH", path, { metadata: { team: "ads" } })).toBe(403);
  });

  test("on its length, its content and its operation; weights share out what is left, one of 0 if nothing else is", async () => {
    const tools = { tools: [{ type: "function", function: { name: "f", parameters: { type: "object" } } }] };
    const long = { messages: [{ role: "user", content: "word ".repeat(500) }] };
    expect(await toldFor(key.key, "by-call", long)).toBe("large");
    expect(await toldFor(key.key, "by-call", tools)).toBe("small");
    expect(await toldFor(key.key, "by-call")).toBe(
      none(
        "is for calls of another length (1 target)",
        "is for calls of other content (1 target)",
        "is for other operations (1 target)",
      ),
    );
  });

  test("on an alias within an alias are rules; what none of them takes goes on", async () => {
    expect(await toldFor(key.key, "rules")).toBe("text");
    expect(await toldFor(key.key, "rules", {}, { "x-rule": "tag", "x-team": "search" })).toBe("told");
    expect(await toldFor(key.key, "rules", {}, { "x-rule": "call" })).toBe("text");
  });

  test("a canary is for the same keys at each call, whoever else calls", async () => {
    const keys = await Promise.all(Array.from({ length: 30 }, async () => (await gateway.createKey()).key));
    const first = await Promise.all(keys.map((each) => toldFor(each, "canary")));
    expect(new Set(first)).toEqual(new Set(["small", "large"]));
    for (const model of ["canary", "canary"])
      expect(await Promise.all(keys.map((each) => toldFor(each, model, { user: "other" })))).toEqual(first);
  });

  test("are told in the list of models", async () => {
    const { data } = await gateway.admin<{ data: readonly { id: string; targets?: unknown }[] }>(
      "GET",
      "/api/models?kind=alias&limit=100",
    );
    expect(data.find(({ id }) => id === "canary")?.targets).toEqual([
      { target: "mock/small" },
      { target: "mock/large", canary: { percent: 40, by: "caller" } },
    ]);
    expect(data.find(({ id }) => id === "outer")?.targets).toEqual([
      { target: "told", drop: ["user"], defaults: { temperature: 1 } },
    ]);
    expect(data.find(({ id }) => id === "by-tag")?.targets).toContainEqual({
      target: "mock/told",
      when: { headers: { "x-team": ["search"] } },
    });
  });
});

/** In which order settings come first is nobody's concern. */
const sorted = (text: string): string => text.replace(/\s/g, "").slice(1).split(",").toSorted().join(",");
