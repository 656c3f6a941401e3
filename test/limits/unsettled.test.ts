import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { configFileOf } from "../support/config-file.ts";
import { setUp } from "../support/setup.ts";

const file = join(import.meta.dir, "..", "fixtures", "plugins", "unsettled.ts");
const setup = await setUp({ config: `rate-limit: { unsettled: { use: "${file}" } }` });
afterAll(setup.stop);

test("a limiter whose holds never end keeps neither strangers nor a reload waiting for ever", async () => {
  const { gateway } = setup;
  const [reply] = await Promise.all([
    call(gateway, "sk-llmp-of-nobody", chat("mock/ok")),
    configFileOf(gateway).reload(),
  ]);
  expect(reply.status).toBe(401);
  expect(gateway.log()).toContain('"plugin":"rate-limit/unsettled"');
}, 20_000);
