import { afterAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { call, chat } from "../support/clients.ts";
import { Connection } from "../support/connection.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { openCalls } from "../support/rows.ts";
import { setUp } from "../support/setup.ts";

/** Fewer than the clients that come; connections to the provider and the files of the database share them. */
const descriptors = 256;
const setup = await setUp({ wrapper: ["sh", "-c", `ulimit -n ${descriptors} && exec "$0" "$@"`] });
afterAll(setup.stop);
const { gateway, upstream, key } = setup;

test.skipIf(process.platform !== "linux")(
  "out of file descriptors the process lives, and serves again when there are some",
  async () => {
    const { pid } = gateway;
    const end = gate();
    upstream.on("slow", async (exchange) => {
      await Promise.race([end.opened, exchange.over]);
      if (!exchange.abandoned) await answers()(exchange);
    });
    const body = JSON.stringify(chat("mock/slow"));
    const request = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key.key}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    // Not one call before: the first of a process needs more than the others.
    const clients = Array.from({ length: 1_000 }, () => new Connection(gateway.url));
    for (const client of clients) client.send(request);
    await until("every descriptor is in use", () => openFiles(pid) >= descriptors - 1, { deadlineMs: 10_000 });
    await until("some are told to come again", () =>
      clients.some(({ received }) => received.startsWith("HTTP/1.1 503 ")),
    );
    end.open();
    await until("all are answered, those first that hold a descriptor", () => {
      const answered = clients.filter(({ received }) => received.includes("\r\n\r\n"));
      for (const client of answered) client.close();
      return answered.length === clients.length;
    });
    const statuses = Map.groupBy(clients, ({ received }) => received.slice(9, 12));
    console.log([...statuses].map(([status, { length }]) => `${status}: ${length}`).join(", "));
    expect([...statuses.keys()].filter((status) => status !== "200" && status !== "503")).toEqual([]);
    for (const { received } of statuses.get("503") ?? []) expect(received).toMatch(/^retry-after: 2\r$/im);
    expect((await call(gateway, key.key, chat("mock/slow"))).status).toBe(200);
    expect((await gateway.get("/readyz"))?.status).toBe(200);
    expect(gateway.pid).toBe(pid);
    expect((await gateway.get("/dashboard/login"))?.status).toBe(200);
    expect(gateway.log()).not.toContain("nobody catches");
    // A line for each of them, and none for each time that there is no descriptor.
    expect(gateway.log().length).toBeLessThan(1_000_000);
    await until("no open call", () => openCalls(gateway) === 0 && upstream.open === 0);
    // How many attempts found no descriptor is not known; that each answer upstream is in the ledger once, is.
    const attempts = gateway.sql<{ n: number }>("SELECT count(*) AS n FROM v_attempts")[0]?.n ?? 0;
    await invariants(setup, { unreached: attempts - upstream.log.length });
  },
  60_000,
);

const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;
