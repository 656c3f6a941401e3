import { afterAll, expect, test } from "bun:test";
import { chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { sendRaw } from "../support/raw.ts";
import { setUp } from "../support/setup.ts";

/** The runtime sends the head of a stream word by word, a packet each, unless something of its body is there from the start. */
const setup = await setUp();
afterAll(() => setup.stop());
const { gateway, upstream, key } = setup;

test("the first packet of a stream has its head and its first event", async () => {
  upstream.on("brisk", answers());
  const headers = { authorization: `Bearer ${key.key}`, "content-type": "application/json" };
  const body = JSON.stringify(chat("mock/brisk", { stream: true }));
  for (let at = 0; at < 20; at++) {
    let first: string | null = null;
    const answer = await sendRaw(gateway.url, {
      path: "/v1/chat/completions",
      headers,
      body,
      leaveWhen(received) {
        first ??= received;
        return false;
      },
    });
    expect(first).toMatch(/^HTTP\/1\.1 200 [^]*\r\n\r\n[0-9a-f]+\r\ndata: \{/);
    expect(answer?.text).toEndWith("data: [DONE]\n\n");
  }
  await invariants(setup);
});
