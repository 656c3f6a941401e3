import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Collector } from "../../../core/chat/collect.ts";
import type { JsonObject } from "../../../core/chat/json.ts";
import type { ChatRequest, Message, Part } from "../../../core/chat/request.ts";
import type { Dialect, DialectName, Traits } from "../../../core/dialects/dialect.ts";
import { openaiChat } from "../../../core/dialects/openai-chat/index.ts";
import { eventsOf } from "../../../core/pipeline/translate/replay.ts";
import { translateRequest } from "../../../core/pipeline/translate/request.ts";
import { marked, mayHoldMarks, unmarked, withOwnSignatures } from "../../../core/pipeline/translate/signatures.ts";
import type { Vault } from "../../../core/pipeline/vault.ts";

/** What is done to a request on its way to another dialect, and undone in the answer. */

const dialectOf = (name: DialectName, traits: Partial<Traits> = {}): Dialect => ({
  ...openaiChat,
  name,
  traits: { ...openaiChat.traits, ...traits },
});
const anthropic = dialectOf("anthropic-messages", {
  customTools: false,
  keepsSignatures: true,
  toolName: /^[a-zA-Z0-9_-]{1,64}$/,
  toolCallId: /^[a-zA-Z0-9_-]{1,64}$/,
});
const gemini = dialectOf("gemini", {
  customTools: false,
  keepsSignatures: true,
  toolName: /^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$/,
});
const chat = dialectOf("openai-chat");

const requestOf = (more: JsonObject = {}): ChatRequest =>
  chat.decodeRequest({ model: "m", messages: [{ role: "user", content: "hi" }], ...more });
const withMessages = (...messages: Message[]): ChatRequest => ({ ...requestOf(), messages });
const assistant = (...parts: Part[]): Message => ({ role: "assistant", parts });
const call = (id: string, more: object = {}): Part => ({ type: "tool-call", id, name: "f", input: "{}", ...more });
const result = (id: string): Message => ({
  role: "tool",
  parts: [{ type: "tool-result", id, parts: [{ type: "text", text: "ok" }], isError: false }],
});

function fakeVault(): Vault & { readonly kept: Map<string, JsonObject> } {
  const kept = new Map<string, JsonObject>();
  return {
    kept,
    keep: (account, id, secret) => void kept.set(`${account}/${id}`, secret),
    find: (account, id) => kept.get(`${account}/${id}`) ?? null,
  };
}

const opening = { id: "call-1", createdMs: 1_000 };
const translate = (
  request: ChatRequest,
  client: Dialect,
  target: Dialect,
  vault: Vault = fakeVault(),
  accountId = "a",
) => translateRequest(request, { client, target, accountId, vault, opening });

/** The parts of an answer as the client gets them. */
async function restored(request: ChatRequest, parts: readonly Part[], client: Dialect, target: Dialect, vault?: Vault) {
  const { restore } = await translate(request, client, target, vault);
  const collector = new Collector();
  const emit = restore((event) => collector.add(event));
  const candidate = { parts, finish: { reason: "stop", raw: null } } as const;
  const answer = { id: "", model: "m", createdMs: 0, candidates: [candidate], usage: null, extensions: {} };
  for (const event of eventsOf(answer)) emit(event);
  return collector.response();
}

describe("what only the client's own dialect can give", () => {
  const needs = (...params: string[]): ChatRequest => ({
    ...requestOf(),
    nativeOnly: params.map((param) => ({ param, what: "a stored response" })),
  });

  test("is refused by name", async () => {
    const refused = translate(needs("previous_response_id"), dialectOf("openai-responses"), anthropic);
    await expect(refused).rejects.toMatchObject({
      kind: "invalid-request",
      status: 400,
      details: { code: "not_carried", param: "previous_response_id" },
    });
    await expect(refused).rejects.toThrow(/a stored response.*openai-responses/);
  });

  const functions = { tools: [{ type: "function", function: { name: "f", parameters: {} } }] };
  const search = { type: "server", dialect: "openai-responses", definition: { type: "web_search" } } as const;

  test("a tool that the provider runs may be left out where there are others", async () => {
    const offered = { ...requestOf(functions), nativeOnly: needs("tools[1]").nativeOnly };
    expect(
      (await translate({ ...offered, tools: [...offered.tools, search] }, chat, anthropic)).request.tools,
    ).toHaveLength(2);
  });

  test("a call that is about such a tool is refused", async () => {
    const alone = { ...needs("tools[0]"), tools: [search] };
    await expect(translate(alone, chat, anthropic)).rejects.toMatchObject({ details: { param: "tools[0]" } });
    const forced = { ...requestOf(functions), nativeOnly: needs("tools[1]").nativeOnly };
    const choice = { ...forced, toolChoice: { type: "tool", name: "web_search" } } as const;
    await expect(translate(choice, chat, anthropic)).rejects.toMatchObject({ details: { param: "tools[1]" } });
  });
});

describe("signatures", () => {
  test("a mark is base64, known by how it begins, and comes back as it was, whichever alphabet it is written in", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (value) => {
        const mark = marked("anthropic-messages", value);
        expect(mark).toMatch(/^[A-Za-z0-9+/]+=*$/);
        expect(Buffer.from(mark, "base64").toString("base64")).toBe(mark);
        expect(unmarked(mark)).toEqual({ dialect: "anthropic-messages", value });
        const urlSafe = Buffer.from(mark, "base64").toString("base64url");
        expect(unmarked(urlSafe)).toEqual({ dialect: "anthropic-messages", value });
        expect(mayHoldMarks(JSON.stringify({ signature: mark }))).toBe(true);
      }),
    );
    expect(unmarked("EqQBCgIYAhIM1gbcDa9GJwZA2b3h")).toBeNull();
    expect(unmarked("bGxtcDp!")).toBeNull();
  });

  test("of the target are marked for the client, and find their way back", async () => {
    const parts: Part[] = [
      { type: "reasoning", text: "hm", signature: "sig-1" },
      { type: "reasoning", text: "", encrypted: "enc-1" },
      { type: "text", text: "hello", signature: "sig-2" },
      call("c1", { signature: "sig-3" }),
    ];
    const answer = await restored(requestOf(), parts, gemini, anthropic);
    const got = answer.candidates[0]?.parts ?? [];
    expect(JSON.stringify(got)).not.toMatch(/sig-|enc-/);
    const next = withMessages(assistant(...got), result("c1"));
    expect((await translate(next, gemini, anthropic)).request.messages[0]?.parts).toEqual(parts);
  });

  test("of another vendor go nowhere: reasoning that is only signed or encrypted goes whole", async () => {
    const mark = (value: string) => marked("gemini", value);
    const next = withMessages(
      assistant(
        { type: "reasoning", text: "hm", signature: mark("a") },
        { type: "reasoning", text: "", encrypted: mark("b") },
        { type: "reasoning", text: "unsigned" },
        { type: "reasoning", text: "own of the client", signature: "unmarked" },
        { type: "text", text: "hello", signature: mark("c") },
        call("c1", { signature: "unmarked" }),
      ),
    );
    const to = async (target: Dialect) => (await translate(next, chat, target)).request.messages[0]?.parts;
    expect(await to(anthropic)).toEqual([{ type: "text", text: "hello" }, call("c1")]);
    expect((await translate(next, anthropic, chat)).request.messages[0]?.parts).toEqual([
      { type: "reasoning", text: "hm" },
      { type: "reasoning", text: "unsigned" },
      { type: "reasoning", text: "own of the client" },
      { type: "text", text: "hello" },
      call("c1"),
    ]);
  });

  test("reasoning that nobody signed says so to clients that send signatures back, and goes to no target that signs", async () => {
    const bare: Part = { type: "reasoning", text: "hm" };
    const got = (await restored(requestOf(), [bare], anthropic, chat)).candidates[0]?.parts ?? [];
    expect(got).toEqual([{ ...bare, signature: marked("openai-chat", "") }]);
    const next = withMessages(assistant(...got, { type: "text", text: "hello" }));
    expect((await translate(next, anthropic, chat)).request.messages[0]?.parts[0]).toEqual(bare);
    expect(withOwnSignatures(next, "anthropic-messages", anthropic).messages[0]?.parts).toHaveLength(1);
    expect((await restored(requestOf(), [bare], chat, anthropic)).candidates[0]?.parts).toEqual([bare]);
  });

  test("a message of nothing else is left out", async () => {
    const next = withMessages(assistant({ type: "reasoning", text: "", encrypted: "x" }), { role: "user", parts: [] });
    expect((await translate(next, gemini, anthropic)).request.messages).toEqual([{ role: "user", parts: [] }]);
  });

  test("to a target of the client's own dialect only the marked ones are taken out", () => {
    const own: Part[] = [
      { type: "reasoning", text: "own", signature: "sig" },
      { type: "reasoning", text: "never signed" },
      call("c1", { signature: "sig" }),
    ];
    const next = withMessages(
      assistant(
        { type: "reasoning", text: "of another", signature: "" },
        ...own,
        call("c2", { signature: marked("anthropic-messages", "x") }),
      ),
    );
    expect(withOwnSignatures(next, "gemini", gemini).messages[0]?.parts).toEqual([...own, call("c2")]);
  });
});

describe("what clients without a place for signatures leave out", () => {
  const parts: Part[] = [
    { type: "reasoning", text: "first", signature: "sig-1" },
    { type: "text", text: "let me see" },
    call("c1", { signature: "call-sig" }),
    { type: "reasoning", text: "", encrypted: "enc-2" },
    call("c2"),
    call("c3"),
  ];
  const bare = [{ type: "text", text: "let me see" } as const, call("c1"), call("c2"), call("c3")];

  test("is put back in front of the call that it led to", async () => {
    const vault = fakeVault();
    await restored(requestOf(), parts, chat, anthropic, vault);
    const next = withMessages(assistant(...bare), result("c1"));
    expect((await translate(next, chat, anthropic, vault)).request.messages[0]?.parts).toEqual([
      { type: "reasoning", text: "first", signature: "sig-1" },
      { type: "text", text: "let me see" },
      call("c1", { signature: "call-sig" }),
      { type: "reasoning", text: "", encrypted: "enc-2" },
      call("c2"),
      call("c3"),
    ]);
  });

  test("neither for another account nor for a target of another dialect", async () => {
    const vault = fakeVault();
    await restored(requestOf(), parts, chat, anthropic, vault);
    const next = withMessages(assistant(...bare));
    expect((await translate(next, chat, anthropic, vault, "b")).request.messages[0]?.parts).toEqual(bare);
    expect((await translate(next, chat, gemini, vault)).request.messages[0]?.parts).toEqual(bare);
  });

  test("what the client kept itself is not doubled, and what nobody signed is not kept", async () => {
    const vault = fakeVault();
    const answer = await restored(requestOf(), parts, chat, anthropic, vault);
    const next = withMessages(assistant(...(answer.candidates[0]?.parts ?? [])));
    expect((await translate(next, chat, anthropic, vault)).request.messages[0]?.parts).toEqual(parts);
    const empty = fakeVault();
    await restored(requestOf(), [{ type: "reasoning", text: "hm" }, call("c9")], chat, anthropic, empty);
    expect(empty.kept.size).toBe(0);
    await restored(requestOf(), parts, anthropic, gemini, empty);
    expect(empty.kept.size).toBe(0);
  });
});

describe("tools that take free text", () => {
  const custom = { type: "custom", custom: { name: "patch", description: "Applies a patch." } };
  const asked = requestOf({ tools: [custom], tool_choice: { type: "custom", custom: { name: "patch" } } });
  const wrapped = (input: string): Part => ({ type: "tool-call", id: "c1", name: "patch", input });
  const unwrapped = async (input: string): Promise<Part | undefined> =>
    (await restored(asked, [wrapped(input)], chat, anthropic)).candidates[0]?.parts[0];

  test("become functions with one string, in the list, the choice and the history", async () => {
    const history = assistant({ type: "tool-call", id: "c1", name: "patch", input: '*** "Begin"\n', custom: true });
    const { request } = await translate({ ...asked, messages: [history] }, chat, anthropic);
    expect(request.tools).toMatchObject([
      {
        type: "function",
        name: "patch",
        parameters: { required: ["input"], properties: { input: { type: "string" } } },
      },
    ]);
    expect(request.toolChoice).toEqual({ type: "tool", name: "patch" });
    expect(request.messages[0]?.parts).toEqual([wrapped('{"input":"*** \\"Begin\\"\\n"}')]);
  });

  test("stay what they are for a target that knows them", async () => {
    expect((await translate(asked, anthropic, chat)).request.tools).toEqual(asked.tools);
  });

  test("any text comes back as it was, in whatever pieces it comes", async () => {
    const { restore } = await translate(asked, chat, anthropic);
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.array(fc.nat(60)), fc.boolean(), (text, cuts, escapes) => {
        const json = JSON.stringify({ input: text });
        const told = escapes
          ? json.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
          : json;
        const pieces = [0, ...cuts, told.length]
          .sort((a, b) => a - b)
          .map((cut, at, all) => told.slice(cut, all[at + 1]));
        const said: string[] = [];
        let isCustom = false;
        const emit = restore((event) => {
          if (event.type === "tool-input-start") isCustom = event.custom === true;
          if (event.type === "tool-input-delta") said.push(event.text);
        });
        const at = { candidate: 0, index: 0 };
        emit({ type: "tool-input-start", ...at, id: "c1", name: "patch" });
        for (const piece of pieces) if (piece !== "") emit({ type: "tool-input-delta", ...at, text: piece });
        emit({ type: "tool-input-end", ...at });
        expect(said.join("")).toBe(text);
        expect(isCustom).toBe(true);
        // No delta ends in half of a character that the next one completes.
        for (const [n, piece] of said.entries())
          expect(/[\ud800-\udbff]$/.test(piece) && /^[\udc00-\udfff]/.test(said[n + 1] ?? "")).toBe(false);
      }),
    );
  });

  test.each([
    ["no JSON at all", "*** Begin Patch"],
    ["nothing", ""],
    ["an empty object", "{}"],
    ["another field", '{"text":"x"}'],
    ["no string", '{"input":1}'],
  ])("%s comes as it is", async (_, input) => {
    expect(await unwrapped(input)).toEqual({ type: "tool-call", id: "c1", name: "patch", input, custom: true });
  });

  test.each([
    ["cut off", '{"input":"abc', "abc"],
    ["with more behind it", '{ "input" : "abc" , "more": 1}', "abc"],
    ["with a bad escape", '{"input":"abc\\xdef"}', 'abc\\xdef"}'],
  ])("%s it keeps what there is", async (_, input, text) => {
    expect(await unwrapped(input)).toMatchObject({ input: text, custom: true });
  });

  test("other tools' input passes untouched", async () => {
    const parts = [{ type: "tool-call", id: "c1", name: "other", input: '{"input":"x"}' } as const];
    expect((await restored(asked, parts, chat, anthropic)).candidates[0]?.parts).toEqual(parts);
  });
});

describe("names of tools", () => {
  const odd = fc.string({ unit: "grapheme", minLength: 1, maxLength: 300 });

  test("fit the target everywhere, stay apart, and have their own names in the answer", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(odd, { minLength: 1, maxLength: 8 }), async (names) => {
        const asked: ChatRequest = {
          ...withMessages(assistant(...names.map((name) => call("c1", { name })))),
          tools: names.map((name) => ({ type: "function", name, description: null, parameters: null, strict: null })),
          toolChoice: { type: "auto", allowed: names },
        };
        const { request } = await translate(asked, chat, gemini);
        const sent = request.tools.map((tool) => (tool.type === "server" ? "" : tool.name));
        for (const name of sent) expect(name).toMatch(gemini.traits.toolName);
        expect(new Set(sent).size).toBe(names.length);
        expect(request.toolChoice).toEqual({ type: "auto", allowed: sent });
        expect(request.messages[0]?.parts.map((part) => (part.type === "tool-call" ? part.name : ""))).toEqual(sent);
        const forced = await translate({ ...asked, toolChoice: { type: "tool", name: names[0] ?? "" } }, chat, gemini);
        expect(forced.request.toolChoice).toEqual({ type: "tool", name: sent[0] ?? "" });
        const answer = await restored(
          asked,
          sent.map((name) => call("c1", { name })),
          chat,
          gemini,
        );
        expect(answer.candidates[0]?.parts.map((part) => (part.type === "tool-call" ? part.name : ""))).toEqual(names);
      }),
      { numRuns: 50 },
    );
  });

  test("are the same in every turn, and untouched where they fit", async () => {
    const tool = { type: "function", name: "a.b/c", description: null, parameters: null, strict: null } as const;
    const sent = async (request: ChatRequest) => (await translate(request, chat, gemini)).request.tools;
    const alone = await sent({ ...requestOf(), tools: [tool] });
    const among = await sent({ ...requestOf(), tools: [{ ...tool, name: "get_weather" }, tool] });
    expect(among).toEqual([{ ...tool, name: "get_weather" }, ...alone]);
  });
});

describe("ids of calls", () => {
  test("fit the target in calls and results alike, and stay apart", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.string({ unit: "grapheme", minLength: 1, maxLength: 400 }), { minLength: 1, maxLength: 6 }),
        async (ids) => {
          const asked = withMessages(assistant(...ids.map((id) => call(id))), ...ids.map(result));
          const { messages } = (await translate(asked, gemini, anthropic)).request;
          const calls = messages[0]?.parts.map((part) => (part.type === "tool-call" ? part.id : "")) ?? [];
          for (const id of calls) expect(id).toMatch(anthropic.traits.toolCallId);
          expect(new Set(calls).size).toBe(ids.length);
          expect(messages.slice(1).map(({ parts: [part] }) => (part?.type === "tool-result" ? part.id : ""))).toEqual(
            calls,
          );
        },
      ),
      { numRuns: 50 },
    );
  });

  test("calls without one get one by their order", async () => {
    const asked = withMessages(assistant(call("")), result(""), assistant(call("")), result(""));
    const ids = (await translate(asked, chat, anthropic)).request.messages.map(({ parts: [part] }) =>
      part?.type === "tool-call" || part?.type === "tool-result" ? part.id : null,
    );
    expect(ids).toEqual(["call_0", "call_0", "call_1", "call_1"]);
  });

  test("that a target gives go to the client as they are", async () => {
    const id = `toolu_${"x".repeat(300)}/é`;
    expect((await restored(requestOf(), [call(id)], chat, anthropic)).candidates[0]?.parts).toEqual([call(id)]);
  });
});

test("an answer without an id or a time gets the call's", async () => {
  expect(await restored(requestOf(), [], chat, anthropic)).toMatchObject({ id: "call-1", createdMs: 1_000 });
});
