import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import type { ExportPart, ExportQuery, ExportRepository } from "../../core/storage/export.ts";
import { aFinal, anAdmission, aRefusal } from "../contract/storage-samples.ts";
import { csvRows } from "../support/csv.ts";
import { until } from "../support/poll.ts";
import { adminToken, type Api, apis, sessionCookie } from "./server.ts";

const newApi = apis();
const asAdmin = { headers: { authorization: `Bearer ${adminToken}` } };
const fine = async (api: Api, path: string) => {
  const response = await api.send("GET", path, asAdmin);
  expect(response.status).toBe(200);
  return response.text();
};

describe("an export", () => {
  let api: Api;
  beforeAll(async () => {
    api = await newApi();
    for (const model of ["=HYPERLINK(1)", "fast", 'ü,"\n']) {
      const admission = anAdmission({ model, startedMs: api.clock.now() });
      await api.database.ledger.admit(admission);
      await api.database.ledger.finish(aFinal(admission.callId));
    }
    await api.database.ledger.refuse(aRefusal({ startedMs: api.clock.now() }));
    await api.database.ledger.admit(anAdmission({ startedMs: api.clock.now() }));
    await api.admin("POST", "/api/ledger/credits", { accountId: "default", usd: "0.5", note: "-note" });
  });

  test("of calls has those that have ended, as the list shows them", async () => {
    const rows = csvRows(await fine(api, "/api/calls/export"));
    const { data } = (await api.admin("GET", "/api/calls")).body;
    expect(rows.map(({ callId }) => callId)).toEqual(data.slice(1).map(({ id }: { id: string }) => id));
    expect(rows.map(({ model, status, chargeNano, chargeUsd }) => [model, status, chargeNano, chargeUsd])).toEqual([
      ["fast", "refused", "", ""],
      ['ü,"\n', "ok", "50", "0.000000050"],
      ["fast", "ok", "50", "0.000000050"],
      ["'=HYPERLINK(1)", "ok", "50", "0.000000050"],
    ]);
  });

  test("keeps the filters of its list", async () => {
    const rows = async (query: string) => csvRows(await fine(api, `/api/${query}`)).length;
    expect(await rows("calls/export?model=fast&status=ok")).toBe(1);
    expect(await rows("calls/export?model=fast")).toBe(2);
    expect(await rows("calls/export?key=nobody")).toBe(0);
    expect(await rows("ledger/export?kind=charge")).toBe(3);
    expect(await rows("ledger/export?account=nobody")).toBe(0);
    expect(await rows("usage/export?groupBy=model,status")).toBe(4);
    expect(await rows("usage/export?from=0&to=1&groupBy=day")).toBe(0);
  });

  test("of the ledger has its amounts as integers and in USD, negative ones as numbers too", async () => {
    const rows = csvRows(await fine(api, "/api/ledger/export?format=csv"));
    expect(rows.map(({ kind, deltaNano, deltaUsd, note }) => [kind, deltaNano, deltaUsd, note])).toEqual([
      ["credit", "500000000", "0.500000000", "'-note"],
      ...[1, 2, 3].map(() => ["charge", "-50", "-0.000000050", ""]),
    ]);
  });

  test("of usage adds up to the report", async () => {
    const text = await fine(api, "/api/usage/export?format=jsonl&groupBy=day,model");
    const rows = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const { data } = (await api.admin("GET", "/api/usage?groupBy=day,model")).body;
    expect(rows.map(({ dayUtc: _, costUsd: _c, chargeUsd: _h, ...row }) => row)).toEqual(data);
    expect(rows.map(({ chargeUsd }) => chargeUsd)).toContain("0.000000050");
  });

  test.each([
    ["calls", "csv", "text/csv; charset=utf-8"],
    ["usage", "jsonl", "application/jsonl; charset=utf-8"],
    ["ledger", "csv", "text/csv; charset=utf-8"],
  ])("of %s as %s says what it is, has a name, and is kept by nobody", async (what, format, type) => {
    const { headers } = await api.send("GET", `/api/${what}/export?format=${format}`, asAdmin);
    const day = new Date(api.clock.now()).toISOString().slice(0, 10);
    expect(headers.get("content-type")).toBe(type);
    expect(headers.get("content-disposition")).toBe(`attachment; filename="${what}-${day}.${format}"`);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  });

  test("is for the admin token and for signed-in persons, who may read nothing else of the API", async () => {
    const { key } = (await api.admin("POST", "/api/keys", { name: "x" })).body;
    const status = async (path: string, headers: Record<string, string>) =>
      (await api.send("GET", path, { headers })).status;
    for (const what of ["calls", "usage", "ledger"]) {
      expect(await status(`/api/${what}/export`, {})).toBe(401);
      expect(await status(`/api/${what}/export`, { authorization: `Bearer ${key}` })).toBe(401);
      expect(await status(`/api/${what}/export`, { cookie: sessionCookie })).toBe(200);
      expect(await status(`/api/${what}`, { cookie: sessionCookie })).toBe(401);
    }
  });

  test.each([
    ["calls/export?format=xlsx", "format"],
    ["calls/export?status=open", "status"],
    ["calls/export?after=1", "after"],
    ["usage/export?groupBy=colour", "groupBy"],
    ["ledger/export?kind=gift", "kind"],
    ["ledger/export?limit=1", "limit"],
  ])("%s is refused, and the field is named", async (path, param) => {
    const { status, body } = await api.admin("GET", `/api/${path}`);
    expect([status, body.error.param]).toEqual([400, param]);
  });
});

describe("over a socket", () => {
  const servers: ReturnType<typeof Bun.serve>[] = [];
  afterAll(() => Promise.all(servers.map((server) => server.stop(true))));
  const line = new TextEncoder().encode(`${"x".repeat(99_999)}\n`);
  /** `asked` has what each part was asked for. */
  async function serving(partOf: (query: ExportQuery, at: number) => ExportPart) {
    const asked: ExportQuery[] = [];
    const part = (_: unknown, query: ExportQuery) => partOf(query, asked.push(query));
    const exports: ExportRepository = { calls: part, entries: part, usage: part, audit: part };
    const api = await newApi({ exports });
    const server = Bun.serve({
      port: 0,
      fetch: (request) =>
        api.send(request.method, new URL(request.url).pathname, { headers: Object.fromEntries(request.headers) }),
    });
    servers.push(server);
    return { asked, port: Number(server.port), url: `http://localhost:${server.port}/api/calls/export` };
  }
  const raw = (port: number): Socket => {
    const socket = connect(port, "localhost");
    socket.write(`GET /api/calls/export HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${adminToken}\r\n\r\n`);
    return socket;
  };

  test("parts follow one another, those without rows too, and the end is a clean one", async () => {
    const { url, asked } = await serving((_, at) => ({
      bytes: at % 3 === 2 ? new Uint8Array() : line,
      next: at < 10 ? String(at) : null,
    }));
    const text = await (await fetch(url, asAdmin)).text();
    expect(text.length).toBe(7 * line.length);
    expect(asked.map(({ after }) => after ?? null)).toEqual([
      null,
      ...Array.from({ length: 9 }, (_, at) => String(at + 1)),
    ]);
  });

  test("a failure before the first byte has a status", async () => {
    const { url } = await serving(() => {
      throw new Error("the disk is gone");
    });
    expect((await fetch(url, asAdmin)).status).toBe(500);
  });

  test("a failure in the middle cuts the connection: no last chunk, so no client takes it for the whole", async () => {
    const { url, port } = await serving((_, at) => {
      if (at % 3 === 0) throw new Error("the disk is gone");
      return { bytes: line, next: String(at) };
    });
    const response = await fetch(url, asAdmin);
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
    let received = "";
    let ended = false;
    const socket = raw(port);
    socket.setEncoding("latin1");
    socket.on("data", (chunk) => (received += String(chunk)));
    socket.on("error", () => {});
    socket.on("close", () => (ended = true));
    await until("the connection is closed", () => ended);
    expect(received).toStartWith("HTTP/1.1 200");
    expect(received).not.toEndWith("0\r\n\r\n");
  });

  test("a client that takes nothing is read little for, and one that leaves nothing more", async () => {
    const { port, asked } = await serving((_, at) => ({ bytes: line, next: String(at) }));
    const socket = raw(port);
    socket.pause();
    socket.on("error", () => {});
    let seen = -1;
    // What the sockets of both sides hold; then nothing is asked for any more.
    await until(
      "nothing more is asked for",
      () => {
        const still = seen === asked.length && seen > 0;
        seen = asked.length;
        return still;
      },
      { everyMs: 100 },
    );
    expect(asked.length).toBeLessThan(400);
    socket.destroy();
    const before = asked.length;
    let after = -1;
    await until(
      "nothing more is asked for",
      () => {
        const still = after === asked.length;
        after = asked.length;
        return still;
      },
      { everyMs: 100 },
    );
    expect(after).toBeLessThanOrEqual(before + 2);
  });
});
