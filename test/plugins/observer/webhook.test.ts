import { afterEach, describe, expect, test } from "bun:test";
import { GatewayError, type Receiver } from "llm-proxy/plugin";
import webhook from "../../../plugins/observer/webhook.ts";
import { fakeContext, setUp } from "../../contract/context.ts";
import { anEvent, testReceiver } from "../../contract/receiver.ts";
import { signatureOf, WebhookReceiver } from "../../support/receiver.ts";

const servers: WebhookReceiver[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});
const secret = "a secret of these tests";

async function made(options: object = {}): Promise<{ receiver: Receiver; server: WebhookReceiver }> {
  const server = await WebhookReceiver.start();
  servers.push(server);
  const context = { ...fakeContext(), fetch: (request: Request) => fetch(request, { redirect: "manual" }) };
  const { receiver } = await setUp(webhook, { url: server.url, secret, ...options }, context);
  if (!receiver) throw new Error("no receiver");
  return { receiver, server };
}

testReceiver(async () => {
  const { receiver, server } = await made();
  return {
    receiver,
    arrived: () => server.got.map(({ text }) => text),
    refuse: () => server.script(500),
    hang: () => server.script(() => {}),
  };
});

const live = () => new AbortController().signal;

describe("webhook", () => {
  test("a secret in the form of Standard Webhooks is its bytes", async () => {
    // The example of the specification.
    const { receiver, server } = await made({ secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" });
    await receiver.deliver([anEvent()], live());
    const key = Buffer.from("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "base64");
    const [got] = server.got;
    if (!got) throw new Error("nothing came");
    expect(got.headers["webhook-signature"]).toBe(signatureOf(got, key));
    expect(got.headers["webhook-timestamp"]).toBe("1800000000");
  });

  test.each(["", " ", "whsec_", "whsec_!!!"])("an empty secret %p does not start", async (empty) => {
    const options = { url: "https://x", secret: empty, events: ["usage.call" as const], batch: 1 };
    expect(() => webhook.check?.(options, { providers: [], earlier: [] })).toThrow("secret: ");
    await expect(made({ secret: empty })).rejects.toThrow();
  });

  test.each([
    ["90", 90],
    // The clock of these tests stands at 2027-01-15T08:00:00Z.
    ["Fri, 15 Jan 2027 08:01:30 GMT", 90],
    ["Fri, 15 Jan 2027 07:00:00 GMT", undefined],
    ["soon", undefined],
  ])("what asks for patience says for how long: %s", async (wanted, seconds) => {
    const { receiver, server } = await made();
    server.script((_, response) => void response.writeHead(429, { "retry-after": wanted }).end());
    const failure: unknown = await Promise.resolve(receiver.deliver([anEvent()], live())).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ message: "HTTP 429" });
    expect(failure instanceof GatewayError && failure.details.retryAfterSeconds).toBe(seconds);
  });

  test("lists are of usage alone", async () => {
    const { receiver, server } = await made({ batch: 10, events: ["usage.call", "credit.low"] });
    await receiver.deliver([anEvent()], live());
    await receiver.deliver([anEvent({ type: "usage.call", id: "a" })], live());
    await receiver.deliver(
      [anEvent({ type: "usage.call", id: "b" }), anEvent({ type: "usage.call", id: "c" })],
      live(),
    );
    expect(server.got.map(({ headers }) => headers["webhook-id"])).toEqual([anEvent().id, "a", "b+1"]);
    expect(server.got.map(({ body }) => body.type)).toEqual(["credit.low", "batch", "batch"]);
  });
});
