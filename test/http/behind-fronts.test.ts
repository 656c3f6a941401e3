import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { call, chat, dataOf } from "../support/clients.ts";
import { type Front, hasCaddy, hasHaproxy, hasNginx, startCaddy, startHaproxy, startNginx } from "../support/fronts.ts";
import { invariants } from "../support/invariants.ts";
import { frames, newUpstreamId } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { allUsage } from "../support/rows.ts";
import { hang, stalled } from "../support/scripts.ts";
import { setUp, type Setup } from "../support/setup.ts";

/** The product behind each front that is installed, by the block that the README gives. */
const fronts = [
  ["nginx", hasNginx, startNginx],
  ["HAProxy", hasHaproxy, startHaproxy],
  ["Caddy", hasCaddy, startCaddy],
] as const;
const missing = fronts.flatMap(([name, isThere]) => (isThere ? [] : [name]));
if (missing.length > 0)
  console.log(`skipped: ${2 * missing.length} tests behind fronts (no ${missing.join(", ")} here)`);

for (const [name, isThere, start] of fronts)
  describe.skipIf(!isThere)(`behind ${name}`, () => {
    let setup: Setup;
    let front: Front;
    beforeAll(async () => {
      setup = await setUp({ config: "server: { disconnect: { drainMs: 100 } }" });
      front = await start(setup.gateway);
    });
    afterAll(async () => {
      await invariants(setup);
      await front.stop();
      await setup.stop();
    });

    test("a client that leaves before its answer is seen to leave", async () => {
      setup.upstream.on("left", hang);
      const leaving = new AbortController();
      const left = fetch(`${front.url}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${setup.key.key}`, "content-type": "application/json" },
        body: JSON.stringify(chat("mock/left")),
        signal: leaving.signal,
      }).catch(() => null);
      await until("the upstream is asked", () => setup.upstream.requestsFor("left").length === 1);
      leaving.abort();
      expect(await left).toBeNull();
      await until("the upstream is let go", () => setup.upstream.requestsFor("left")[0]?.abandoned);
      await until("its record", () => allUsage(setup.gateway).some(({ status }) => status === "client_aborted"));
    });

    test("an event is there before the next one is sent", async () => {
      const [end, begun] = [gate(), gate()];
      setup.upstream.on("held", (exchange) => {
        const all = frames((exchange.upstreamId = newUpstreamId()), { text: "one two three" }, true);
        return stalled(all.slice(0, 2).join(""), end.opened, all.slice(2).join(""))(exchange);
      });
      const onPiece = (soFar: string) => void (soFar.includes('"one "') && begun.open());
      const reply = call(front, setup.key.key, chat("mock/held", { stream: true }), { onPiece });
      await begun.opened;
      end.open();
      expect(dataOf((await reply).text).at(-1)).toBe("[DONE]");
    });
  });
