import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { answers } from "../support/openai-answers.ts";
import { usageOf } from "../support/rows.ts";
import { setUp } from "../support/setup.ts";

const file = join(import.meta.dir, "..", "fixtures", "plugins", "grasping.ts");
const setup = await setUp({ config: `rate-limit: { grasping: { use: "${file}" } }` });
setup.upstream.on("ok", answers());
afterAll(setup.stop);

test("a limiter that takes its list apart leaves the next call its limits, and the caller its name", async () => {
  const key = await setup.gateway.createKey({ limits: { requestsPerMinute: 3 } });
  const ask = () => call(setup.gateway, key.key, chat("mock/ok"));
  const replies = [await ask(), await ask(), await ask(), await ask()];
  expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
  for (const { callId } of replies) expect(usageOf(setup.gateway, callId).principal).not.toBe("nobody");
});
