import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { configFileOf } from "../support/config-file.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
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

test("one that never tells where limits stand hides none of them", async () => {
  const { gateway } = setup;
  const key = await gateway.createKey({ limits: { requestsPerMinute: 3 } });
  const limit = { scope: { kind: "key", id: key.id }, requestsPerHour: 5 };
  const [me, made] = await Promise.all([
    gateway.get("/v1/me", { authorization: `Bearer ${key.key}` }).then((response) => response?.json()),
    gateway.admin<{ id: string }>("POST", "/api/limits", limit),
  ]);
  expect(me).toMatchObject({ limits: [{ limit: 3 }] });
  expect(await gateway.admin("GET", `/api/limits/${made.id}`)).toMatchObject({ requestsPerHour: 5, use: null });
}, 20_000);

test("one that refuses what is over already is named in the log, and is said to refuse nothing", async () => {
  const { gateway, upstream } = setup;
  upstream.on("refused", answers());
  const key = await gateway.createKey({ limits: { requestsPerMinute: 3 } });
  expect((await call(gateway, key.key, chat("mock/refused"))).status).toBe(200);
  const line = () =>
    gateway
      .log()
      .split("\n")
      .find((each) => each.includes("the store is gone"));
  expect(await until("the line", line)).toMatch(
    /"plugin":"rate-limit\/unsettled".*"msg":"a plugin could not end its hold/,
  );
  const { data } = await gateway.admin<{ data: readonly { name: string }[] }>("GET", "/api/plugins");
  expect(data.find(({ name }) => name === "unsettled")).toMatchObject({ timings: { settle: { failures: 1 } } });
});
