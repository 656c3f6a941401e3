import { expect, test } from "bun:test";
import { freePort, Gateway } from "../support/process.ts";

/** What the process says at its start of how providers are asked. */
async function saidWith(env: Readonly<Record<string, string | undefined>>): Promise<string> {
  const gateway = new Gateway(await freePort(), { env });
  try {
    await gateway.start();
    return gateway.log();
  } finally {
    await gateway.dispose();
  }
}

const lessThanAsked = "Providers are asked over fetch, not sockets";
const fewAtOnce = "Only 256 calls can be upstream at once";

test("sockets that a forward proxy turns into fetch are told of, and what fetch then lacks", async () => {
  const env = { LLM_PROXY_TRANSPORT: "sockets", https_proxy: "http://127.0.0.1:9" };
  expect(await saidWith(env)).toContain(lessThanAsked);
  expect(await saidWith({ ...env, BUN_CONFIG_MAX_HTTP_REQUESTS: undefined })).toContain(fewAtOnce);
});

test.each(["sockets", "fetch"])("%s as it was asked for says nothing of itself", async (transport) => {
  const said = await saidWith({ LLM_PROXY_TRANSPORT: transport });
  expect(said).not.toContain(lessThanAsked);
  expect(said).not.toContain(fewAtOnce);
});
