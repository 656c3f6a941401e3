import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Part } from "../../../core/chat/request.ts";
import type { Dialect } from "../../../core/dialects/dialect.ts";
import { marked, mayHoldMarks, unmarked, withOwnSignatures } from "../../../core/pipeline/translate/signatures.ts";
import {
  anthropic,
  assistant,
  call,
  chat,
  fakeVault,
  gemini,
  requestOf,
  restored,
  result,
  translate,
  withMessages,
} from "./parties.ts";

/** Signatures on their way to clients of other dialects and back, and what such clients have no place for. */

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

  test("a text that was there for its signature alone goes with it", async () => {
    const hello = assistant({ type: "text", text: "hello" });
    const nothing = assistant({ type: "text", text: "" });
    const carrier = assistant({ type: "text", text: "", signature: "sig" });
    const asked = withMessages(hello, carrier, result("c1"), nothing);
    expect((await translate(asked, gemini, chat)).request.messages).toEqual([hello, result("c1"), nothing]);
    expect(withOwnSignatures(asked, "gemini", gemini).messages).toEqual(asked.messages);
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
    expect([...empty.kept.values()]).toEqual([{ dialect: "gemini", reasoning: [], signature: "call-sig" }]);
    const unused = fakeVault();
    await restored(requestOf(), parts, gemini, anthropic, unused);
    expect(unused.kept.size).toBe(0);
  });

  test("the signature of a call, where the client has a place for that of the reasoning alone", async () => {
    const vault = fakeVault();
    const answer = await restored(requestOf(), parts, anthropic, gemini, vault);
    const told = (answer.candidates[0]?.parts ?? []).map((part) => (part.type === "tool-call" ? call(part.id) : part));
    const next = withMessages(assistant(...told));
    expect((await translate(next, anthropic, gemini, vault)).request.messages[0]?.parts).toEqual(parts);
  });
});
