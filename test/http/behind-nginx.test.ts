import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { call, type CallOptions, chat, dataOf, errorOf } from "../support/clients.ts";
import { type Front, hasNginx, startNginx } from "../support/fronts.ts";
import { invariants } from "../support/invariants.ts";
import { answers, frames, newUpstreamId, wantsUsage } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { sendRaw } from "../support/raw.ts";
import { allUsage, usageOf } from "../support/rows.ts";
import { reset, stalled } from "../support/scripts.ts";
import { setUp, type Setup } from "../support/setup.ts";

/** The product behind nginx, by the block that the README gives. */
describe.skipIf(!hasNginx)("behind nginx", () => {
  let setup: Setup;
  let front: Front;
  beforeAll(async () => {
    // nginx comes from an address of its own, so that a client here is not a trusted proxy.
    setup = await setUp({
      config: [
        'server: { trustedProxies: ["127.0.0.2"], disconnect: { drainMs: 100 } }',
        "limits: [{ scope: { kind: ip }, requestsPerMinute: 5 }]",
      ].join("\n"),
    });
    front = await startNginx(setup.gateway, "proxy_bind 127.0.0.2;");
  });
  afterAll(async () => {
    await invariants(setup);
    await front.stop();
    await setup.stop();
  });
  const send = (body: unknown, options: CallOptions = {}, key = setup.key.key) => call(front, key, body, options);
  const endless = (model: string) => {
    const end = gate();
    setup.upstream.on(model, (exchange) => {
      const id = (exchange.upstreamId = newUpstreamId());
      const all = frames(id, { text: "one two three" }, wantsUsage(exchange));
      return stalled(all.slice(0, 2).join(""), end.opened, all.slice(2).join(""))(exchange);
    });
    return end;
  };

  test("an event is there before the next one is sent, and the stream ends well", async () => {
    const end = endless("held");
    const begun = gate();
    const onPiece = (soFar: string) => void (soFar.includes('"one "') && begun.open());
    const reply = send(chat("mock/held", { stream: true }), { onPiece });
    await begun.opened;
    expect(setup.upstream.requestsFor("held").map(({ finished }) => finished)).toEqual([false]);
    end.open();
    const { status, text, headers, callId, complete } = await reply;
    expect({ status, complete, end: dataOf(text).at(-1) }).toEqual({ status: 200, complete: true, end: "[DONE]" });
    expect(headers.get("content-type")).toStartWith("text/event-stream");
    expect(usageOf(setup.gateway, callId).status).toBe("ok");
  });

  test("a client that leaves is seen to leave", async () => {
    endless("left");
    await sendRaw(front.url, {
      path: "/v1/chat/completions",
      headers: { authorization: `Bearer ${setup.key.key}`, "content-type": "application/json" },
      body: JSON.stringify(chat("mock/left", { stream: true })),
      leaveWhen: (received) => received.includes('"one "'),
    });
    await until("the upstream is let go", () => setup.upstream.requestsFor("left").every(({ abandoned }) => abandoned));
    await until("its record", () =>
      allUsage(setup.gateway).some(({ model, status }) => model === "mock/left" && status === "client_aborted"),
    );
  });

  test("a body of 8 MB passes", async () => {
    setup.upstream.on("large", answers());
    const body = chat("mock/large", { messages: [{ role: "user", content: "x".repeat(8_000_000) }] });
    expect((await send(body)).status).toBe(200);
  });

  test("an error of ours is passed on as it is", async () => {
    setup.upstream.on("failing", reset);
    const { status, text } = await send(chat("mock/failing"));
    expect({ status, type: errorOf(text).type }).toEqual({ status: 502, type: "server_error" });
  });

  test("what a client says of its own address is not believed", async () => {
    const statuses: number[] = [];
    for (let at = 0; at < 8; at++) {
      const headers = { "x-forwarded-for": `198.51.100.${at}` };
      statuses.push((await send(chat("mock/large"), { headers }, "sk-wrong")).status);
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
  });
});
