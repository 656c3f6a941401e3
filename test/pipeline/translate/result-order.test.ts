import { expect, test } from "bun:test";
import type { Message, Part } from "../../../core/chat/request.ts";
import { dialects } from "../../../core/dialects/index.ts";
import { translated } from "../../support/translated.ts";
import { anthropic, assistant, call, chat, result, translate, withMessages } from "./parties.ts";

/** Where results of tools stand in what a target is asked. */

const note: Message = { role: "user", parts: [{ type: "text", text: "note" }] };
const told = async (...messages: Message[]) => (await translate(withMessages(...messages), chat, anthropic)).request;
const both = (first: Message, second: Message): Message => ({ role: "user", parts: [...first.parts, ...second.parts] });

test("they come directly behind their calls, and what stood between comes after", async () => {
  for (const role of ["user", "system", "developer", "assistant"] as const) {
    const between = { ...note, role };
    expect((await told(note, assistant(call("a")), between, result("a"), note)).messages).toEqual([
      note,
      assistant(call("a")),
      result("a"),
      between,
      note,
    ]);
  }
});

test("those of one turn's calls come together", async () => {
  const calls = assistant(call("a"), call("b"));
  const inOrder = [calls, result("a"), result("b"), note];
  expect((await told(calls, result("a"), note, result("b"))).messages).toEqual(inOrder);
  expect((await told(calls, { ...result("a"), role: "user" }, both(result("b"), note))).messages).toEqual(inOrder);
  expect((await told(calls, both(result("a"), note), { ...result("b"), role: "user" })).messages).toEqual(inOrder);
  expect((await told(assistant(call("a")), assistant(call("b")), result("a"), result("b"), note)).messages).toEqual(
    inOrder,
  );
});

test("each goes to the turn that asked for it", async () => {
  const late = [assistant(call("a")), note, assistant(call("b")), both(result("a"), result("b"))];
  expect((await told(...late)).messages).toEqual([
    assistant(call("a")),
    result("a"),
    note,
    assistant(call("b")),
    { ...result("b"), role: "user" },
  ]);
});

test("messages that stand where they should are left as they are", async () => {
  const unasked = result("nobody");
  const all = [note, assistant(call("a")), both(result("a"), note), assistant(call("b")), result("b"), unasked, note];
  expect((await told(...all)).messages).toEqual(all);
});

test("two of Anthropic's user messages with results become one turn of Gemini's", async () => {
  const client = dialects.get("anthropic-messages");
  const target = dialects.get("gemini");
  if (client === undefined || target === undefined) throw new Error("a dialect is missing");
  const asked = client.decodeRequest({
    model: "m",
    max_tokens: 9,
    messages: [
      { role: "user", content: "x" },
      {
        role: "assistant",
        content: ["a", "b"].map((id) => ({ type: "tool_use", id, name: "f", input: {} })),
      },
      ...["a", "b"].map((id) => ({ role: "user", content: [{ type: "tool_result", tool_use_id: id, content: id }] })),
    ],
  });
  const { body } = target.encodeRequest(await translated(asked, client, target), "gemini-2.5-pro");
  expect(body["contents"]).toMatchObject([
    { role: "user" },
    { role: "model" },
    { role: "user", parts: [{ functionResponse: { id: "a" } }, { functionResponse: { id: "b" } }] },
  ]);
});

test("thousands of turns take no more than their length", async () => {
  const parts = (n: number): Part[] => [call(`c${n}`)];
  const all = Array.from({ length: 20_000 }, (_, n) => [assistant(...parts(n)), note, result(`c${n}`)]).flat();
  const { messages } = await told(...all);
  expect(messages.slice(-3)).toEqual([assistant(call("c19999")), result("c19999"), note]);
});

test("results of many turns in one message, among as many texts, are looked at a few times each", async () => {
  const count = 300;
  let looks = 0;
  const watched = (part: Part): Part =>
    Object.defineProperty({ ...part }, "type", { enumerable: true, get: () => ((looks += 1), part.type) });
  const calls = Array.from({ length: count }, (_, n) => [assistant(call(`c${n}`)), note]).flat();
  const parts = [
    ...Array.from({ length: count }, (_, n) => result(`c${n}`).parts).flat(),
    ...Array.from({ length: 3_000 }, (): Part => ({ type: "text", text: "t" })),
  ].map(watched);
  const { messages } = await told(...calls, { role: "user", parts });
  expect(messages.slice(0, 3)).toMatchObject([assistant(call("c0")), { role: "tool" }, note]);
  expect(messages.at(-1)?.parts).toHaveLength(3_000);
  expect(looks).toBeLessThan(50 * parts.length);
});
