import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { join } from "node:path";
import type { PluginLine } from "../../core/api/config-service.ts";
import { configFileOf } from "../support/config-file.ts";
import { until } from "../support/poll.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { send } from "../support/visits.ts";

/** `POST /hooks/:instance`: what others tell a plugin, without a credential of ours. */
const file = join(import.meta.dir, "..", "fixtures", "plugins", "hooked.ts");
const secret = "s3cret-that-signs";
const token = "an-option-from-the-environment";
const config = `observer: { log: {}, acme: { use: "${file}", secret: "${secret}", token: "\${HOOK_TOKEN}" } }`;
let setup: Setup;
beforeAll(async () => {
  setup = await setUp({ config, env: { HOOK_TOKEN: token } });
});
afterAll(() => setup.stop());

const signed = (body: string) => ({ "x-signature": createHmac("sha256", secret).update(body).digest("hex") });
function tell(message: object, name = "acme", headers: Readonly<Record<string, string>> = {}) {
  const body = JSON.stringify(message);
  return send(setup.gateway, "POST", `/hooks/${name}`, {
    headers: { "content-type": "application/json", ...signed(body), ...headers },
    body,
  });
}
async function acme(): Promise<PluginLine> {
  const { data } = await setup.gateway.admin<{ readonly data: readonly PluginLine[] }>("GET", "/api/plugins");
  const found = data.find(({ name }) => name === "acme");
  if (!found) throw new Error("acme is not listed");
  return found;
}
const withoutId = (text: string) => text.replace(/"request_id":"[^"]*"/, "");

describe("a webhook", () => {
  test("gets what was sent, whoever sent it, and its answer is the sender's", async () => {
    const body = JSON.stringify({ text: "hello" });
    const { status, body: answer } = await send(setup.gateway, "POST", "/hooks/acme?x=1", {
      headers: { "content-type": "application/json", ...signed(body) },
      body,
    });
    expect([status, answer]).toEqual([200, { label: "first", said: "hello", type: "application/json", url: "?x=1" }]);
    expect((await tell({ do: "empty" })).status).toBe(204);
    const { headers, text } = await tell({ do: "text" });
    expect([text, headers.get("content-type")]).toEqual(["challenge", "text/plain;charset=utf-8"]);
  });

  test("refuses for itself", async () => {
    const { status, text } = await tell({}, "acme", { "x-signature": "00" });
    expect([status, text]).toEqual([401, "bad signature"]);
  });

  test("is answered by no header about its connection, and opens nothing in a browser", async () => {
    const { status, headers, text } = await tell({ do: "hops" });
    expect([status, text]).toEqual([202, "hops"]);
    for (const name of ["x-of-the-connection", "keep-alive", "upgrade", "trailer", "proxy-authenticate"])
      expect([name, headers.get(name)]).toEqual([name, null]);
    expect(headers.get("connection") ?? "").not.toContain("x-of-the-connection");
    expect(headers.get("x-own")).toBe("kept");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("content-security-policy")).toContain("sandbox");
    expect(headers.get("cache-control")).toBe("no-store");
  });

  test("is 404 where nothing has one, in one body, and 405 by another method", async () => {
    const texts = await Promise.all(
      ["log", "nobody", "mock", "__proto__", "acme%2Fx"].map(async (name) => {
        const { status, text } = await tell({}, name);
        return `${status} ${withoutId(text)}`;
      }),
    );
    expect(new Set(texts).size).toBe(1);
    expect(texts[0]).toStartWith("404 ");
    for (const method of ["GET", "PUT", "DELETE", "OPTIONS"])
      for (const name of ["acme", "nobody"]) {
        const { status, headers } = await send(setup.gateway, method, `/hooks/${name}`);
        expect([method, name, status, headers.get("allow")]).toEqual([method, name, 405, "POST"]);
      }
  });

  test("takes a body of 1 MiB, and no byte more, with a length or without", async () => {
    const most = 1024 * 1024;
    const padded = (bytes: number) => {
      const rest = JSON.stringify({ do: "empty", text: "" });
      return JSON.stringify({ do: "empty", text: "x".repeat(bytes - rest.length) });
    };
    const post = (body: string, chunked: boolean) =>
      fetch(`${setup.gateway.url}/hooks/acme`, {
        method: "POST",
        headers: signed(body),
        body: chunked ? new Blob([body]).stream() : body,
      });
    for (const chunked of [false, true]) {
      expect([chunked, (await post(padded(most), chunked)).status]).toEqual([chunked, 204]);
      const large = await post(padded(most + 1), chunked);
      expect([chunked, large.status]).toEqual([chunked, 413]);
      await large.body?.cancel();
    }
  });

  test("that fails is a bare 500, and the log names it without a secret", async () => {
    for (const what of ["throw", "nothing", "endless"]) {
      const { status, text } = await tell({ do: what });
      expect([what, status]).toEqual([what, 500]);
      expect(text).toContain("Internal error.");
      expect(text).not.toMatch(/inside|Response|secret|10\.0/);
    }
    await until("all are in the log", () => setup.gateway.log().split('"a webhook failed"').length === 4);
    const lines = setup.gateway
      .log()
      .split("\n")
      .filter((line) => line.includes('"a webhook failed"'));
    expect(lines[0]).toContain('"plugin":"observer/acme"');
    expect(lines[0]).toContain("inside first: *** and ***");
    expect(lines[1]).toContain("returned no Response");
    expect(setup.gateway.log()).not.toContain(secret);
    expect(setup.gateway.log()).not.toContain(token);
  });

  test("follows a reload; one that hangs keeps the plugin until it is let go after 5 s, with 504", async () => {
    const ours = configFileOf(setup.gateway);
    const asked = async () => (await acme()).timings["webhook"]?.calls ?? 0;
    const before = await asked();
    const startMs = performance.now();
    const stuck = tell({ do: "stuck" });
    await until("it is asked", async () => (await asked()) > before);
    await ours.reloadWith(ours.first.replace(`token: "`, `label: second, token: "`));
    expect((await tell({})).body).toMatchObject({ label: "second" });
    expect(setup.gateway.log()).not.toContain("the webhook is gone");
    expect((await ours.state()).callsBefore).toEqual([1]);
    const { status, text } = await stuck;
    expect(status).toBe(504);
    expect(text).not.toContain("no result");
    expect(performance.now() - startMs).toBeLessThan(9_000);
    await until("nobody reads its answer", () => setup.gateway.log().includes('"the answer was let go"'));
    await until("the one of before is gone", () => setup.gateway.log().includes("the webhook is gone"));
    await ours.reloadWith(ours.first.replace(/, acme: \{.*/, " }"));
    expect((await tell({})).status).toBe(404);
    await ours.reloadWith(ours.first);
    expect((await tell({})).status).toBe(200);
  });

  test("is counted as a hook of its instance", async () => {
    const { hooks, timings } = await acme();
    expect(hooks).toEqual(["callEnded", "webhook"]);
    expect(timings["webhook"]).toMatchObject({ failures: 3, timeouts: 1 });
    expect(timings["webhook"]?.calls).toBeGreaterThan(6);
  });

  test("of two instances with one name is a mistake of the config, by key path", async () => {
    const ours = configFileOf(setup.gateway);
    const refused = await ours
      .reloadWith(`${ours.first}auth: { api-key: {}, acme: { use: "${file}" } }\n`)
      .catch(String);
    // The file's order is that of the documentation: `auth` is set up before observers.
    expect(refused).toContain("observer.acme: has a webhook, as auth.acme has");
    const odd = await ours
      .reloadWith(ours.first.replace("provider:\n", `provider:\n  unhooked: { use: "${file}" }\n`))
      .catch(String);
    expect(odd).toContain("its webhook is no function");
    expect((await tell({ text: "as before" })).body).toMatchObject({ label: "first" });
  });
});
