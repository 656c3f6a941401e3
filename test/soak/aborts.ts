import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { eachOf, until } from "../support/poll.ts";
import { type Random, seeded } from "../support/random.ts";
import { sendRaw } from "../support/raw.ts";
import { allUsage, openCalls } from "../support/rows.ts";
import { setUp, type Setup } from "../support/setup.ts";
import { doctor, neverShed, rssMb, type Soak, unhandled } from "./soak.ts";

const width = 64;
/** Longer than any answer: the latest abort comes after the end. */
const mostBytes = 2_600;
/** Around what the slow upstream waits before it answers. */
const mostWaitMs = 20;

/** Clients that vanish at random points: in a stream, in a whole answer, before the first byte, while they still send. */
export const aborts: Soak = async ({ count, print }) => {
  const random = seeded("aborts");
  const setup = await setUp({
    config: `server: { ${neverShed}, disconnect: { drainMs: 500 } }`,
    key: { name: "leaving", budget: { usd: 1_000_000, window: "lifetime" } },
  });
  try {
    const { gateway, upstream } = setup;
    const { pid } = gateway;
    const answer = answers({ text: "a bb ccc dddd eeeee ffffff ggggggg", promptTokens: 20, completionTokens: 7 });
    upstream.on("quick", answer);
    upstream.on("slow", async (exchange) => {
      await Promise.race([pause(random.below(mostWaitMs)), exchange.over]);
      if (!exchange.abandoned) await answer(exchange);
    });
    print(`at the start ${rssMb(gateway).toFixed(0)} MB`);
    const startedMs = performance.now();
    let cutBodies = 0;
    await eachOf(
      Array.from({ length: count }, (_, at) => at),
      width,
      async (at) => {
        if (await leave(setup, random, at)) cutBodies += 1;
      },
    );
    const seconds = (performance.now() - startedMs) / 1_000;

    await until("no call open", () => openCalls(gateway) === 0 && upstream.open === 0, { deadlineMs: 30_000 });
    const rows = allUsage(gateway);
    const statuses = Map.groupBy(rows, (row) => row.status);
    print(`${count} aborts in ${seconds.toFixed(1)} s, ${upstream.log.length} reached the upstream`);
    const refused = statuses.get("refused")?.length ?? 0;
    print(`records: ${[...statuses].map(([status, all]) => `${all.length} ${status}`).join(", ")}`);
    print(`upstream open: ${upstream.open}; at the end ${rssMb(gateway).toFixed(0)} MB`);
    const unseen = forgetUnseen(setup);
    print(`${unseen.sent} answers came after the proxy had let go`);
    const attempts = gateway.sql("select 1 from v_attempts").length;
    // A call that was let go on its way upstream has an attempt of which the upstream knows nothing.
    await invariants(setup, { unreached: Math.max(attempts - upstream.log.length, 0) });
    return [
      ...(gateway.pid === pid && gateway.running ? [] : ["another process serves"]),
      ...(upstream.log.length >= count / 2 ? [] : [`only ${upstream.log.length} calls reached the upstream`]),
      ...(rows.length >= upstream.log.length ? [] : [`${upstream.log.length - rows.length} calls have no record`]),
      ...[...statuses.keys()]
        .filter((status) => !["ok", "client_aborted", "refused"].includes(status))
        .map((status) => `a call ended as ${status}`),
      ...(unseen.sent <= unseen.left
        ? []
        : [`${unseen.sent} answers are in no record, ${unseen.left} records have none`]),
      ...(refused <= cutBodies ? [] : [`${refused} calls refused, of which ${cutBodies} were cut in their body`]),
      ...unhandled(gateway),
      ...(await doctor(gateway)),
    ];
  } finally {
    await setup.stop();
  }
};

/** Takes the ids from answers that no record has, and counts them and the records of clients that left without one. */
function forgetUnseen({ gateway, upstream }: Setup): { readonly sent: number; readonly left: number } {
  const rows = gateway.sql<{ id: string | null; status: string }>(
    "select a.upstream_id as id, u.status from v_attempts a join v_usage u on u.call_id = a.call_id",
  );
  const recorded = new Set(rows.map(({ id }) => id));
  const unseen = upstream.log.filter(({ upstreamId }) => upstreamId !== null && !recorded.has(upstreamId));
  for (const exchange of unseen) exchange.upstreamId = null;
  return {
    sent: unseen.length,
    left: rows.filter(({ id, status }) => id === null && status === "client_aborted").length,
  };
}

/** Whether it left in the middle of its request, which is then refused as a bad one. */
async function leave({ gateway, key }: Setup, random: Random, at: number): Promise<boolean> {
  const early = at % 2 === 0;
  const stream = random.below(3) > 0;
  const body = JSON.stringify(chat(`mock/${early ? "slow" : "quick"}`, { stream, max_completion_tokens: 500 }));
  const headers = { authorization: `Bearer ${key.key}`, "content-type": "application/json" };
  const [ms, bytes] = [random.below(mostWaitMs * 2), random.below(mostBytes)];
  if (early) {
    await leaveAfter(gateway.url, headers, body, ms);
    return ms === 0;
  }
  const leaveWhen = (received: string): boolean => received.length >= bytes;
  await sendRaw(gateway.url, { path: "/v1/chat/completions", headers, body, leaveWhen });
  return false;
}

/** Resets the connection `ms` after the request was handed over, whatever came by then; 0: in the middle of its body. */
async function leaveAfter(url: string, headers: Readonly<Record<string, string>>, body: string, ms: number) {
  const { hostname, port, host } = new URL(url);
  const fields = { host, "content-length": String(Buffer.byteLength(body)), ...headers };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  const gone = Promise.withResolvers<void>();
  const socket = connect({ host: hostname, port: Number(port) });
  socket.on("error", () => gone.resolve());
  socket.on("close", () => gone.resolve());
  socket.on("connect", () => {
    const sent = ms === 0 ? body.slice(0, body.length / 2) : body;
    socket.write(`POST /v1/chat/completions HTTP/1.1\r\n${lines.join("")}\r\n${sent}`);
    void pause(ms).then(() => socket.resetAndDestroy());
  });
  await gone.promise;
}
