import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { chat } from "../support/clients.ts";
import { ask, endsIn, messageOf } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import type { CreatedKey } from "../support/process.ts";
import { allUsage, usageOf } from "../support/rows.ts";
import { sse, whole } from "../support/scripts.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { spokenStream, spokenWhole, type Turn } from "../support/spoken.ts";
import type { Exchange, Script } from "../support/upstream.ts";
import { canary, isReplay, newKey, newModel, send } from "./calls.ts";

const spoken: readonly DialectName[] = ["openai-chat", "openai-responses", "anthropic-messages", "gemini"];
const turn: Turn = { text: `${canary} and more of them`, usage: { input: 11, output: 3 } };

let setup: Setup;
beforeAll(async () => {
  setup = await setUp({ dialects: spoken });
  setup.gateway.secrets.add(canary);
});
afterAll(() => setup.stop());
afterEach(() => invariants(setup));

const speaks =
  (dialect: DialectName): Script =>
  (exchange: Exchange) => {
    const isStream = dialect === "gemini" ? exchange.request.start.includes("stream") : exchange.json.stream === true;
    return isStream
      ? sse(spokenStream(dialect, turn))(exchange)
      : whole(exchange, 200, spokenWhole(dialect, turn), { "content-type": "application/json" });
  };

describe.each(spoken)("%s", (dialect) => {
  describe.each([false, true])("stream: %p", (stream) => {
    test("twenty at once and one later: one request upstream, one charge, the same answer", async () => {
      const { model, sent } = newModel(setup, speaks(dialect), `mock-${dialect}`);
      const headers = { "idempotency-key": newKey() };
      const once = () => ask(setup.gateway, setup.key.key, dialect, { model, stream }, { headers });
      const replies = await Promise.all(Array.from({ length: 20 }, once));
      replies.push(await once());
      expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200));
      const first = replies.find((reply) => !isReplay(reply));
      expect(replies.filter((reply) => !isReplay(reply))).toHaveLength(1);
      expect(first?.text).toContain("words");
      for (const reply of replies) {
        expect(reply.text).toBe(first?.text ?? "");
        expect(reply.callId).toBe(first?.callId ?? "");
        expect(reply.headers.get("content-type")).toBe(first?.headers.get("content-type") ?? "");
        expect(reply.headers.get("x-llm-proxy-model")).toBe(first?.headers.get("x-llm-proxy-model") ?? "");
        if (stream) expect(endsIn(dialect, reply.text)).toBe(1);
      }
      expect(sent()).toBe(1);
      expect(usageOf(setup.gateway, first?.callId ?? "")).toMatchObject({ status: "ok", output_tokens: 3 });
      expect(allUsage(setup.gateway).filter((row) => row.model === model)).toHaveLength(1);
    });

    test("is replayed across dialects too, after a restart", async () => {
      const { model, sent } = newModel(setup, answers());
      const headers = { "idempotency-key": newKey() };
      const once = () => ask(setup.gateway, setup.key.key, dialect, { model, stream }, { headers });
      const first = await once();
      expect([first.status, isReplay(first)]).toEqual([200, false]);
      await setup.gateway.restart();
      const second = await once();
      expect([second.status, isReplay(second), second.text]).toEqual([200, true, first.text]);
      expect(sent()).toBe(1);
    });
  });

  test("another body or a malformed key is refused in words of the dialect", async () => {
    const { model, sent } = newModel(setup, speaks(dialect), `mock-${dialect}`);
    const key = newKey();
    const once = (idempotencyKey: string, stream: boolean) =>
      ask(setup.gateway, setup.key.key, dialect, { model, stream }, { headers: { "idempotency-key": idempotencyKey } });
    await once(key, false);
    const other = await once(key, true);
    expect([other.status, messageOf(dialect, other.text)]).toEqual([
      422,
      "this Idempotency-Key was used for another request",
    ]);
    expect(other.headers.get("x-should-retry")).toBe("false");
    for (const malformed of ["", "a".repeat(256), "caf\u00e9"]) {
      const refused = await once(malformed, false);
      expect([refused.status, messageOf(dialect, refused.text)]).toEqual([
        400,
        "Idempotency-Key must be 1 to 255 printable ASCII characters",
      ]);
    }
    expect((await once(newKey().padEnd(255, "a"), false)).status).toBe(200);
    expect(sent()).toBe(2);
  });
});

describe("whose a key is", () => {
  test("another account, and another key of the same account, has its own", async () => {
    const { model, sent } = newModel(setup, answers());
    const account = await setup.gateway.admin<{ id: string }>("POST", "/api/accounts", { name: "other" });
    const others: CreatedKey[] = [
      await setup.gateway.createKey({ accountId: account.id }),
      await setup.gateway.createKey({ accountId: account.id }),
      await setup.gateway.createKey(),
    ];
    const idempotencyKey = newKey();
    const keys = [setup.key, ...others].map(({ key }) => key);
    const replies = await Promise.all(keys.map((key) => send(setup, chat(model), idempotencyKey, { key })));
    expect(replies.map((reply) => [reply.status, isReplay(reply)])).toEqual(keys.map(() => [200, false]));
    expect(new Set(replies.map(({ callId }) => callId)).size).toBe(4);
    expect(sent()).toBe(4);
    // Nor does another one learn that the key is in use for something else.
    const different = await send(setup, chat(model, { user: "x" }), idempotencyKey, {
      key: (await setup.gateway.createKey()).key,
    });
    expect(different.status).toBe(200);
  });

  test("a replay needs the credential", async () => {
    const { model } = newModel(setup, answers());
    const idempotencyKey = newKey();
    const key = await setup.gateway.createKey();
    expect((await send(setup, chat(model), idempotencyKey, { key: key.key })).status).toBe(200);
    await setup.gateway.admin("DELETE", `/api/keys/${key.id}`);
    expect((await send(setup, chat(model), idempotencyKey, { key: key.key })).status).toBe(401);
  });

  describe("a replay needs what the call needs", () => {
    const patch = (path: string, body: object) => setup.gateway.admin("PATCH", path, body);
    async function made() {
      const { model, sent } = newModel(setup, answers());
      const { id: above } = await setup.gateway.admin<{ id: string }>("POST", "/api/accounts", { name: newKey() });
      const { id } = await setup.gateway.admin<{ id: string }>("POST", "/api/accounts", {
        name: newKey(),
        parentId: above,
      });
      const key = await setup.gateway.createKey({ accountId: id });
      const idempotencyKey = newKey();
      const once = () => send(setup, chat(model), idempotencyKey, { key: key.key });
      expect(isReplay(await once())).toBe(false);
      return {
        above: `/api/accounts/${above}`,
        account: `/api/accounts/${id}`,
        key: `/api/keys/${key.id}`,
        once,
        sent,
      };
    }

    test.each([
      ["an account that is open", "account", { disabled: true }, { disabled: false }],
      ["an account above that is open", "above", { disabled: true }, { disabled: false }],
      ["the account's leave for the model", "account", { models: ["echo"] }, { models: null }],
      ["the leave of one above", "above", { models: ["echo"] }, { models: null }],
      ["the account's leave for the operation", "account", { operations: ["embeddings"] }, { operations: null }],
      ["the key's leave for the model", "key", { models: ["echo"] }, { models: null }],
      ["the key's leave for the operation", "key", { operations: ["embeddings"] }, { operations: null }],
      ["a key that is not disabled", "key", { disabled: true }, { disabled: false }],
    ] as const)("%s", async (_, which, taken, given) => {
      const { once, sent, ...paths } = await made();
      await patch(paths[which], taken);
      const refused = await once();
      expect([refused.status, isReplay(refused)]).toEqual(["disabled" in taken && which === "key" ? 401 : 403, false]);
      // The answer is kept all the while.
      await patch(paths[which], given);
      const replayed = await once();
      expect([replayed.status, isReplay(replayed), sent()]).toEqual([200, true, 1]);
    });
  });
});
