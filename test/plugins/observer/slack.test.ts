import { afterEach, expect, test } from "bun:test";
import slack from "../../../plugins/observer/slack.ts";
import { fakeContext, setUp } from "../../contract/context.ts";
import { anEvent, testReceiver } from "../../contract/receiver.ts";
import { WebhookReceiver } from "../../support/receiver.ts";

const servers: WebhookReceiver[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

async function made() {
  const server = await WebhookReceiver.start();
  servers.push(server);
  const context = { ...fakeContext(), fetch: (request: Request) => fetch(request, { redirect: "manual" }) };
  const { receiver } = await setUp(slack, { url: server.url }, context);
  if (!receiver) throw new Error("no receiver");
  return { receiver, server };
}

testReceiver(async () => {
  const { receiver, server } = await made();
  return {
    receiver,
    arrived: () => server.got.map(({ text }) => text),
    refuse: () => server.script(403),
    hang: () => server.script(() => {}),
  };
});

test("names mention nobody and link nowhere", async () => {
  const { receiver, server } = await made();
  await receiver.deliver(
    [anEvent({ text: "Budget of key <!channel> & <https://evil.example|here>" })],
    new AbortController().signal,
  );
  const line = "Budget of key &lt;!channel&gt; &amp; &lt;https://evil.example|here&gt;";
  expect(server.got[0]?.body).toMatchObject({
    text: line,
    blocks: [{ type: "section", text: { type: "plain_text", text: line } }, { type: "context" }],
  });
});
