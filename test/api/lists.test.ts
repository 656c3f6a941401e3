import { beforeAll, describe, expect, test } from "bun:test";
import { aFinal, aKey, anAdmission, aRefusal, startMs } from "../contract/storage-samples.ts";
import { adminToken, type Api, apis } from "./server.ts";

const newApi = apis();

async function finished(api: Api, changed: Parameters<typeof anAdmission>[0] = {}): Promise<string> {
  const admission = anAdmission(changed);
  await api.database.ledger.admit(admission);
  await api.database.ledger.finish(aFinal(admission.callId));
  return admission.callId;
}

describe("pages", () => {
  test("call what they do not know by its name: a parameter in the address, a field in a body", async () => {
    const api = await newApi();
    const query = await api.admin("GET", "/api/calls?accont=x");
    expect(query.body.error.message).toBe('accont: unknown parameter (did you mean "account"?)');
    for (const [method, path, sent] of [
      ["GET", "/api/providers?limit=2", undefined],
      ["GET", "/api/me/sessions?after=junk", undefined],
      ["GET", "/api/calls/none?limit=2", undefined],
      ["POST", "/api/keys?limit=2", { name: "y" }],
    ] as const) {
      const { status, body: refused } = await api.admin(method, path, sent);
      expect([path, status, refused.error.message]).toEqual([
        path,
        400,
        expect.stringMatching(/^(limit|after): unknown parameter$/),
      ]);
    }
    const body = await api.admin("POST", "/api/keys", { nme: "x", name: "y" });
    expect(body.body.error.message).toBe('nme: unknown field (did you mean "name"?)');
  });

  test.each(["keys", "budgets", "calls"])(
    "of %s are newest first, stay whole while rows arrive, and end",
    async (list) => {
      const api = await newApi();
      const make = async (): Promise<string> => {
        if (list === "keys") return (await api.admin("POST", "/api/keys", { name: "x" })).body.id;
        if (list === "budgets")
          return (await api.admin("POST", "/api/budgets", { scope: { kind: "global" }, usd: 1, window: "day" })).body
            .id;
        return finished(api);
      };
      const made: string[] = [];
      for (let row = 0; row < 7; row++) made.unshift(await make());
      const seen: string[] = [];
      for (let path: string | null = `/api/${list}?limit=3`; path !== null;) {
        const { status, body } = await api.admin("GET", path);
        expect(status).toBe(200);
        expect(Object.keys(body).toSorted()).toEqual(["data", "next"]);
        seen.push(...body.data.map(({ id }: { id: string }) => id));
        path = body.next === null ? null : `/api/${list}?limit=3&after=${body.next}`;
        await make();
      }
      expect(seen).toEqual(made);
    },
  );

  test.each([
    ["limit=0", "limit"],
    ["limit=201", "limit"],
    ["limit=-1", "limit"],
    ["limit=1.5", "limit"],
    ["limit=x", "limit"],
    ["limit=", "limit"],
    ["limit=1e2", "limit"],
    ["limit=1&limit=2", "limit"],
    ["after=x", "after"],
    ["after=-1", "after"],
    ["after=99999999999999999999", "after"],
    ["after=1%20OR%201=1", "after"],
    ["lmit=1", "lmit"],
    ["from=x", "from"],
    ["to=-1", "to"],
    ["status=done", "status"],
    ["model=", "model"],
    ["__proto__=1", "__proto__"],
  ])("?%s is refused, and the field is named", async (query, param) => {
    const { status, body } = await (await shared()).admin("GET", `/api/calls?${query}`);
    expect([status, body.error.param]).toEqual([400, param]);
  });

  test.each(["budgets", "limits"])("of %s on one scope name what is wrong with it by its parameter", async (list) => {
    const api = await shared();
    for (const [query, param] of [
      ["scopeKind=key", "scopeId"],
      ["scopeId=x", "scopeKind"],
      ["scopeKind=team&scopeId=x", "scopeKind"],
      ["scopeKind=global&scopeId=x", "scopeId"],
    ]) {
      const { status, body } = await api.admin("GET", `/api/${list}?${query}`);
      expect([status, body.error.param]).toEqual([400, param]);
      expect(body.error.message).toStartWith(`${param}: `);
    }
    expect((await api.admin("GET", `/api/${list}?scopeKind=global`)).status).toBe(200);
  });

  test.each(["prices", "prices/unpriced", "prices/charges", "models", "estimates"])(
    "of %s end at no cursor of another list",
    async (list) => {
      const api = await shared();
      for (const after of ["junk", "0", "AAAA", "azo=", "a2s6", " "]) {
        const { status, body } = await api.admin("GET", `/api/${list}?${new URLSearchParams({ after })}`);
        expect([after, status, body.error?.param]).toEqual([after, 400, "after"]);
      }
    },
  );

  test("an unknown filter finds nothing; it is no error", async () => {
    const { status, body } = await (await shared()).admin("GET", "/api/calls?model=unheard-of");
    expect([status, body]).toEqual([200, { data: [], next: null }]);
  });
});

describe("one call", () => {
  test("shows what the list shows, and its attempts, price lines and warnings", async () => {
    const api = await shared();
    const admission = anAdmission();
    await api.database.ledger.admit(admission);
    const lines = [{ item: "input", quantity: 10, price: "1" }];
    const attempts = [
      { provider: "a", upstreamModel: "a-1", upstreamId: null, status: null, billed: false },
      { provider: "b", upstreamModel: "b-1", upstreamId: "up-1", status: 200, billed: true },
    ];
    await api.database.ledger.finish(
      aFinal(admission.callId, {
        attempts,
        provider: "b",
        upstreamModel: "b-1",
        notes: { lines, warnings: ["lowered"] },
      }),
    );
    const { body } = await api.admin("GET", `/api/calls/${admission.callId}`);
    expect(body).toMatchObject({
      id: admission.callId,
      status: "ok",
      provider: "b",
      attempts,
      notes: { lines, warnings: ["lowered"] },
      httpStatus: 200,
    });
    const { body: listed } = await api.admin("GET", "/api/calls?limit=1");
    expect(body).toMatchObject(listed.data[0]);
    expect(listed.data[0]).toMatchObject({ createdMs: startMs, costNano: 45, chargeNano: 50 });
  });
});

describe("money beyond what a number holds", () => {
  const nano = 400_000_782_827_605;
  const sum = { costNano: String(44n * BigInt(nano)), chargeNano: String(44n * BigInt(nano) + 44n) };
  let api: Api;
  beforeAll(async () => {
    api = await newApi();
    const keys = [await api.database.keys.create(aKey(), null), await api.database.keys.create(aKey(), null)];
    for (let call = 0; call < 44; call++) {
      // Most are of one key, so that its sum alone is beyond it.
      const admission = anAdmission({ startedMs: startMs, keyId: keys[call % 11 === 0 ? 0 : 1]?.id ?? null });
      await api.database.ledger.admit(admission);
      await api.database.ledger.finish(aFinal(admission.callId, { costNano: nano, chargeNano: nano + 1 }));
    }
  });

  test.each(["", "key", "account", "model", "provider", "status", "day", "hour", "key,day", "label:none"])(
    "has every digit of it in a string, by %p as by everything else",
    async (groupBy) => {
      const query = `from=${startMs - 1}&to=${startMs + 1}${groupBy && `&groupBy=${groupBy}`}`;
      const { body } = await api.admin("GET", `/api/usage?${query}`);
      expect(body.total).toMatchObject({ calls: 44, ...sum });
      const added = (field: string) =>
        body.data.reduce((so: bigint, row: Record<string, string>) => so + BigInt(row[field] ?? ""), 0n);
      expect([added("costNano"), added("chargeNano")].map(String)).toEqual([sum.costNano, sum.chargeNano]);
      if (groupBy === "key")
        expect(body.data.map(({ costNano }: { costNano: unknown }) => typeof costNano).toSorted()).toEqual([
          "number",
          "string",
        ]);
    },
  );

  test("so have files", async () => {
    const file = async (format: string) =>
      (
        await api.send("GET", `/api/usage/export?format=${format}`, {
          headers: { authorization: `Bearer ${adminToken}` },
        })
      ).text();
    expect(JSON.parse(await file("jsonl"))).toMatchObject({ ...sum, costUsd: "17600034.444414620" });
    expect(await file("csv")).toContain(`,${sum.costNano},17600034.444414620,${sum.chargeNano},17600034.444414664\r\n`);
  });
});

describe("GET /api/usage", () => {
  const hourMs = 3_600_000;
  const fields = ["key", "account", "model", "provider", "status", "day", "hour"];
  let api: Api;
  beforeAll(async () => {
    api = await newApi();
    const keys = [await api.database.keys.create(aKey(), null), await api.database.keys.create(aKey(), null)];
    for (let call = 0; call < 60; call++) {
      const startedMs = startMs + call * hourMs;
      const keyId = call % 3 === 2 ? null : (keys[call % 3]?.id ?? null);
      const admission = anAdmission({
        startedMs,
        keyId,
        model: call % 2 ? "fast" : "smart",
        provider: call % 5 ? "echo" : "other",
      });
      if (call % 7 === 6) {
        await api.database.ledger.refuse(aRefusal({ startedMs, keyId }));
        continue;
      }
      await api.database.ledger.admit(admission);
      const chargeNano = call % 11 === 0 ? null : call * 1_000 + 1;
      await api.database.ledger.finish(
        aFinal(admission.callId, {
          provider: admission.provider,
          chargeNano,
          costNano: chargeNano,
          status: call % 4 ? "ok" : "client_aborted",
        }),
      );
    }
    // One in flight: not counted before it has ended.
    await api.database.ledger.admit(anAdmission({ startedMs: startMs }));
  });

  /** By other means than the product's: straight from the view. */
  const bySql = (from: number, to: number) => {
    const [row] = api.sql<Record<string, number>>(
      `SELECT count(*) AS calls, sum(status <> 'ok') AS errors, coalesce(sum(input_tokens), 0) AS inputTokens,
        coalesce(sum(output_tokens), 0) AS outputTokens, coalesce(sum(cache_read_tokens), 0) AS cacheReadTokens,
        coalesce(sum(cache_write_tokens), 0) AS cacheWriteTokens, coalesce(sum(reasoning_tokens), 0) AS reasoningTokens,
        coalesce(sum(cost_nano), 0) AS costNano, coalesce(sum(charge_nano), 0) AS chargeNano
      FROM v_usage WHERE status <> 'open' AND created_ms >= ${from} AND created_ms < ${to}`,
    );
    return row;
  };
  const range = { from: startMs + 5 * hourMs, to: startMs + 50 * hourMs };
  const groupings = [...fields, "key,model", "model,key", "provider,status,day", fields.join(",")];

  test.each(groupings)("by %s: the groups add up to the total, and the total to the rows", async (groupBy) => {
    const { status, body } = await api.admin("GET", `/api/usage?from=${range.from}&to=${range.to}&groupBy=${groupBy}`);
    expect(status).toBe(200);
    expect(body.total).toEqual(bySql(range.from, range.to));
    for (const name of Object.keys(body.total))
      expect([
        name,
        body.data.reduce((sum: number, row: Record<string, number>) => sum + (row[name] ?? Number.NaN), 0),
      ]).toEqual([name, body.total[name]]);
    const groups = body.data.map((row: Record<string, unknown>) =>
      JSON.stringify(groupBy.split(",").map((field) => row[field])),
    );
    expect(new Set(groups).size).toBe(groups.length);
    expect(body.data.length).toBeGreaterThan(groupBy === "account" ? 0 : 1);
  });

  test("without a grouping the total is alone its group", async () => {
    const { body } = await api.admin("GET", `/api/usage?from=${range.from}&to=${range.to}`);
    expect(body.data).toEqual([body.total]);
    expect(body.total).toEqual(bySql(range.from, range.to));
  });

  test("the range is half-open: neighbours share no call and lose none", async () => {
    const total = async (query: string): Promise<number> =>
      (await api.admin("GET", `/api/usage?${query}`)).body.total.calls;
    const middle = startMs + 20 * hourMs;
    expect((await total(`to=${middle}`)) + (await total(`from=${middle}&to=${startMs + 99 * hourMs}`))).toBe(60);
    expect(await total(`from=${middle}&to=${middle}`)).toBe(0);
    expect(await total(`from=${middle}&to=${middle + 1}`)).toBe(1);
  });

  test("a day and an hour are where they start, in UTC", async () => {
    const { body } = await api.admin("GET", `/api/usage?from=${range.from}&to=${range.to}&groupBy=day,hour`);
    for (const { day, hour } of body.data) {
      expect(new Date(day).toISOString()).toEndWith("T00:00:00.000Z");
      expect(new Date(hour).toISOString()).toMatch(/:00:00\.000Z$/);
      expect(hour - day).toBeLessThan(24 * hourMs);
    }
  });

  test("nothing in the range: a total of zeros and no groups", async () => {
    for (const groupBy of ["", "&groupBy=key"]) {
      const { body } = await api.admin("GET", `/api/usage?from=0&to=1${groupBy}`);
      expect(body.data).toEqual([]);
      expect(Object.values(body.total).every((value) => value === 0)).toBe(true);
    }
  });

  test.each([
    "groupBy=",
    "groupBy=key,",
    "groupBy=keys",
    "groupBy=key,,model",
    "groupBy=key;drop",
    "from=x",
    "to=1&to=2",
  ])("?%s is refused", async (query) => {
    expect((await api.admin("GET", `/api/usage?${query}`)).status).toBe(400);
  });

  test("a field twice counts once", async () => {
    const [once, twice] = await Promise.all(
      ["key", "key,key"].map(
        async (groupBy) => (await api.admin("GET", `/api/usage?groupBy=${groupBy}&to=${range.to}`)).body,
      ),
    );
    expect(twice).toEqual(once);
  });
});

let made: Promise<Api> | null = null;
const shared = (): Promise<Api> => (made ??= newApi());
