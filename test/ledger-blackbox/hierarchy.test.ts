import { afterEach, expect, test } from "bun:test";
import { call, chat, errorOf, type Reply } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { allBudgets, usageOf } from "../support/rows.ts";
import { type Setup, setUp } from "../support/setup.ts";

/** A tenant, a team in it, a user in that, and the user's key, each with a budget; one of the four is the tightest. */
const calls = 200;
const affordable = 20;
const outputTokens = 10;
const price = { input: 0, output: 1 };
const costNano = outputTokens * 1000;
const tight = "0.0002";

let setup: Setup;
afterEach(() => setup.stop());

interface Tree {
  readonly tenant: string;
  readonly team: string;
  readonly user: string;
  readonly key: string;
  readonly secret: string;
}
const nodes = ["tenant", "team", "user", "key"] as const;

async function account(name: string, parentId: string | null): Promise<string> {
  return (await setup.gateway.admin<{ id: string }>("POST", "/api/accounts", { name, parentId })).id;
}
async function grow(): Promise<Tree> {
  const tenant = await account("tenant", null);
  const team = await account("team", tenant);
  const user = await account("user", team);
  const key = await setup.gateway.createKey({ accountId: user });
  return { tenant, team, user, key: key.id, secret: key.key };
}
const budget = (kind: string, id: string, usd: string) =>
  setup.gateway.admin("POST", "/api/budgets", { scope: { kind, id }, usd, window: "month" });
const send = (secret: string): Promise<Reply> =>
  call(setup.gateway, secret, chat("mock/paid", { max_completion_tokens: outputTokens }));
const kindOf = (node: (typeof nodes)[number]) => (node === "key" ? "key" : "account");

test.each(nodes)(
  "the budget of the %s binds: all of the four hold, or none",
  async (binding) => {
    const release = gate();
    setup = await setUp({ price });
    setup.upstream.on("paid", async (exchange) => {
      await release.opened;
      await answers({ completionTokens: outputTokens })(exchange);
    });
    const tree = await grow();
    for (const node of nodes) await budget(kindOf(node), tree[node], node === binding ? tight : "1");

    const refused: Reply[] = [];
    const pending = Array.from({ length: calls }, async () => {
      const reply = await send(tree.secret);
      if (reply.status !== 200) refused.push(reply);
      return reply;
    });
    await until("the refusals", () => refused.length === calls - affordable, { deadlineMs: 30_000 });
    // Not one of the refused holds anything anywhere.
    expect(allBudgets(setup.gateway).map(({ held_nano }) => held_nano)).toEqual(nodes.map(() => affordable * costNano));
    // Figures of accounts above are not told to the key.
    const isOwn = binding === "key" || binding === "user";
    const told = (figures: object) =>
      isOwn
        ? { scope: { kind: kindOf(binding), id: tree[binding] }, ...figures }
        : { scope: { kind: "account" }, above: true };
    for (const reply of refused) {
      expect(reply.status).toBe(429);
      expect(errorOf(reply.text).details).toMatchObject(told({ limit: affordable * costNano, needed: costNano }));
    }
    release.open();
    expect((await Promise.all(pending)).filter(({ status }) => status === 200)).toHaveLength(affordable);
    const late = await send(tree.secret);
    expect(late.status).toBe(402);
    expect(errorOf(late.text).details).toMatchObject(told({ used: affordable * costNano, held: 0 }));
    expect(allBudgets(setup.gateway)).toMatchObject(
      nodes.map(() => ({ spent_nano: affordable * costNano, held_nano: 0 })),
    );
    await invariants(setup, { price, above: { [tree.user]: [tree.team, tree.tenant] } });
  },
  60_000,
);

test("an account that is moved takes its next calls along; one in flight ends where it was admitted", async () => {
  const release = gate();
  setup = await setUp({ price });
  setup.upstream.on("paid", async (exchange) => {
    await release.opened;
    await answers({ completionTokens: outputTokens })(exchange);
  });
  const tree = await grow();
  const other = await account("other", null);
  await budget("account", tree.tenant, "1");
  await budget("account", other, tight);
  const states = () => allBudgets(setup.gateway).map(({ spent_nano, held_nano }) => [spent_nano, held_nano]);

  const first = send(tree.secret);
  await until("the hold", () => states()[0]?.[1] === costNano);
  await setup.gateway.admin("PATCH", `/api/accounts/${tree.team}`, { parentId: other });
  const second = send(tree.secret);
  await until("the hold of the other", () => states()[1]?.[1] === costNano);
  expect(states()).toEqual([
    [0, costNano],
    [0, costNano],
  ]);
  release.open();
  const replies = await Promise.all([first, second]);
  expect(replies.map(({ status }) => status)).toEqual([200, 200]);
  expect(states()).toEqual([
    [costNano, 0],
    [costNano, 0],
  ]);
  expect(usageOf(setup.gateway, replies[1].callId)).toMatchObject({ account_id: tree.user, charge_nano: costNano });
  const shown = await setup.gateway.admin<{ path: { id: string }[] }>("GET", `/api/accounts/${tree.user}`);
  expect(shown.path.map(({ id }) => id)).toEqual([other, tree.team, tree.user]);
  const usage = await setup.gateway.admin<{ total: { calls: number } }>("GET", `/api/usage?under=${other}`);
  expect(usage.total.calls).toBe(2);
}, 60_000);
