import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { configFileOf } from "../support/config-file.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { usageOf } from "../support/rows.ts";
import { type Setup, setUp } from "../support/setup.ts";

/** Accounts and keys that limits and terms of charging in the file call by their names. */
const ci = `ci-${crypto.randomUUID()}`;
let setup: Setup;
let file: ReturnType<typeof configFileOf>;
const ids: Record<string, string> = {};
const keys: Record<string, string> = {};

beforeAll(async () => {
  setup = await setUp();
  setup.gateway.secrets.add(ci);
  setup.upstream.on("ok", answers({ promptTokens: 20, completionTokens: 30 }));
  file = configFileOf(setup.gateway);
  for (const [name, parent] of [["Acme"], ["Lab", "Acme"], ["Other"]] as const) {
    const parentId = parent && ids[parent];
    const body = { name, ...(parentId !== undefined && { parentId }) };
    const { id } = await setup.gateway.admin<{ id: string }>("POST", "/api/accounts", body);
    ids[name] = id;
    keys[name] = (await setup.gateway.createKey({ accountId: id })).key;
  }
});
afterAll(async () => {
  await invariants(setup, { above: { [ids.Lab ?? ""]: [ids.Acme ?? ""] } });
  await setup.stop();
});

const ask = (key = "") => call(setup.gateway, key, chat("mock/ok"));
async function statusesOf(count: number, key: string | undefined): Promise<readonly number[]> {
  const statuses: number[] = [];
  for (let at = 0; at < count; at++) statuses.push((await ask(key)).status);
  return statuses;
}
const withLines = (...lines: readonly string[]) => `${file.first}\n${lines.join("\n")}\n`;

describe("limits of the file", () => {
  const acme = "limits: [{ scope: { kind: account, id: Acme }, requestsPerDay: 2 }]";

  test("hold for an account by its name, after a reload and after a start, and are shown by its id", async () => {
    await file.reloadWith(withLines(acme));
    expect(await statusesOf(3, keys.Lab)).toEqual([200, 200, 429]);
    expect(await statusesOf(1, keys.Other)).toEqual([200]);
    const { data } = await setup.gateway.admin<{ data: object[] }>("GET", "/api/limits");
    expect(data[0]).toMatchObject({
      id: "file-0",
      scope: { kind: "account", id: ids.Acme },
      use: [{ measure: "requests", used: 2 }],
    });
    await setup.gateway.restart();
    expect(await statusesOf(3, keys.Acme)).toEqual([200, 200, 429]);
  });

  test("hold for an account by its path", async () => {
    await file.reloadWith(withLines("limits: [{ scope: { kind: account, id: Acme/Lab }, requestsPerHour: 1 }]"));
    expect(await statusesOf(2, keys.Lab)).toEqual([200, 429]);
    expect(await statusesOf(1, keys.Acme)).toEqual([200]);
  });

  test("hold for a key of the file by its name, from the reload that makes it on, and for any key by its id", async () => {
    const other = await setup.gateway.createKey({});
    const lines = [
      "limits:",
      "  - { scope: { kind: key, id: ci }, requestsPerDay: 1 }",
      `  - { scope: { kind: key, id: ${other.id} }, requestsPerDay: 3 }`,
      `keys: { ci: { key: "${ci}", account: Acme } }`,
    ];
    await file.reloadWith(withLines(...lines));
    expect(await statusesOf(2, ci)).toEqual([200, 429]);
    expect(await statusesOf(4, other.key)).toEqual([200, 200, 200, 429]);
    await setup.gateway.restart();
    expect(await statusesOf(2, ci)).toEqual([200, 429]);
  });

  test("are told apart from those that were set beside them on the same account", async () => {
    await file.reloadWith(withLines(acme));
    for (const id of [ids.Acme, ids.Other])
      await setup.gateway.admin("POST", "/api/limits", { scope: { kind: "account", id }, requestsPerDay: 900 });
    const { data } = await setup.gateway.admin<{ data: { path: string; inFile: boolean }[] }>(
      "GET",
      "/api/config/drift",
    );
    const inFile = Object.fromEntries(data.map((line) => [line.path, line.inFile]));
    expect(inFile).toMatchObject({
      [`limits.account:${ids.Acme}`]: true,
      [`limits.account:${ids.Other}`]: false,
    });
  });
});

test("terms of charging hold for accounts by name and by path, after a reload and after a start", async () => {
  await file.reloadWith(
    withLines("billing: { ledger: { charges: [{ account: Acme, margin: 50 }, { account: Acme/Lab, margin: 100 }] } }"),
  );
  const charged = async (key: string | undefined) => {
    const { cost_nano: cost, charge_nano: charge } = usageOf(setup.gateway, (await ask(key)).callId);
    return (charge ?? 0) / (cost ?? 0);
  };
  const all = async () => [await charged(keys.Acme), await charged(keys.Lab), await charged(keys.Other)];
  expect(await all()).toEqual([1.5, 2, 1]);
  await setup.gateway.restart();
  expect(await all()).toEqual([1.5, 2, 1]);
  // Whoever has the name when the file is read again is meant, though it says the same.
  const rename = (id: string | undefined, name: string) =>
    setup.gateway.admin("PATCH", `/api/accounts/${id}`, { name });
  await rename(ids.Acme, "Old");
  await rename(ids.Other, "Acme");
  const lost = await file.reload().catch(String);
  expect(lost).toContain("charges[1].account");
  await rename(ids.Other, "Other");
  await rename(ids.Acme, "Acme");
  await file.reloadWith(withLines("billing: { ledger: { charges: [{ account: Other, margin: 50 }] } }"));
  expect(await all()).toEqual([1, 1, 1.5]);
  await rename(ids.Other, "Old");
  await rename(ids.Acme, "Other");
  await file.reload();
  expect(await all()).toEqual([1.5, 1.5, 1]);
  await rename(ids.Acme, "Acme");
  await rename(ids.Other, "Other");
});

describe("who is not there", () => {
  const charges = (rows: string) => `billing: { ledger: { charges: [${rows}] } }`;
  const place = String.raw`llm-proxy\.yaml:\d+:\d+ `;
  const cases = [
    [
      "limits: [{ scope: { kind: account, id: Nobody }, requestsPerDay: 1 }]",
      String.raw`limits\[0\]\.scope\.id: no account has this id or name`,
    ],
    [
      "limits: [{ scope: { kind: account, id: Lab }, requestsPerDay: 1 }]",
      String.raw`limits\[0\]\.scope\.id: only accounts below others`,
    ],
    [
      "limits: [{ scope: { kind: key, id: cii }, requestsPerDay: 1 }]",
      String.raw`limits\[0\]\.scope\.id: no key has this id, and none of the file this name`,
    ],
    [
      charges("{ account: Other, fee: 1 }, { account: Nobody, margin: 1 }"),
      String.raw`billing\.ledger\.charges\[1\]\.account: no account has this id or name`,
    ],
  ] as const;

  test.each(cases)("%s: stops the reload, with its place", async (line, message) => {
    const before = await file.state();
    const told = await file.reloadWith(withLines(line)).catch(String);
    expect(String(told)).toMatch(new RegExp(place + message));
    expect((await file.state()).generation).toBe(before.generation);
  });

  test("two rows for one account, by its name and by its id, stop the reload", async () => {
    const line = charges(`{ account: Acme, margin: 1 }, { account: ${ids.Acme}, margin: 2 }`);
    const told = await file.reloadWith(withLines(line)).catch(String);
    expect(String(told)).toMatch(/ledger\.charges\[1\]: .*charges\[0\]/);
  });

  test("and stops the start, each of the limits with its place", async () => {
    const { gateway } = setup;
    await gateway.stop();
    for (const [lines, ...messages] of [
      [
        [
          "limits:",
          "  - { scope: { kind: account, id: Nobody }, requestsPerDay: 1 }",
          "  - { scope: { kind: key, id: cii }, requestsPerDay: 1 }",
        ],
        /limits\[0\]\.scope\.id: no account/,
        /limits\[1\]\.scope\.id: no key/,
      ],
      [[charges("{ account: Nobody, margin: 1 }")], /charges\[0\]\.account: no account/],
    ] as const) {
      writeFileSync(file.path, withLines(...lines));
      gateway.spawn();
      expect(await gateway.exited()).toBe(1);
      for (const message of messages) expect(gateway.log()).toMatch(message);
    }
    writeFileSync(file.path, file.first);
    await gateway.start();
  });
});
