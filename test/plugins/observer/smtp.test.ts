import { afterEach, describe, expect, test } from "bun:test";
import smtp from "../../../plugins/observer/smtp.ts";
import { fakeContext, setUp } from "../../contract/context.ts";
import { anEvent, testReceiver } from "../../contract/receiver.ts";
import { until } from "../../support/poll.ts";
import { MailServer } from "../../support/mail-server.ts";

const servers: MailServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

async function made(options: object = {}) {
  const server = await MailServer.start();
  servers.push(server);
  const given = {
    host: "127.0.0.1",
    port: server.port,
    tls: "none",
    from: "LLM Proxy <proxy@example.com>",
    to: ["ops@example.com", "boss@example.com"],
    ...options,
  };
  const { receiver } = await setUp(smtp, given, fakeContext());
  if (!receiver) throw new Error("no receiver");
  return { receiver, server };
}
const live = () => new AbortController().signal;
const failure = (delivery: unknown): Promise<unknown> => Promise.resolve(delivery).catch((error: unknown) => error);

testReceiver(async () => {
  const { receiver, server } = await made();
  return {
    receiver,
    arrived: () => server.mails.map(({ text }) => text.replaceAll("=\n", "")),
    refuse: () => void server.answers.set("RCPT", "550 nobody here"),
    hang: () => void server.answers.set("MAIL", null),
  };
});

describe("smtp", () => {
  test("a mail to everybody, with an id that stays", async () => {
    const { receiver, server } = await made();
    await receiver.deliver([anEvent()], live());
    await receiver.deliver([anEvent()], live());
    const [mail, again] = server.mails;
    expect(mail).toMatchObject({ from: "<proxy@example.com>", to: ["<ops@example.com>", "<boss@example.com>"] });
    for (const { text } of [mail, again].filter((one) => one !== undefined)) {
      expect(text).toContain(`Message-ID: <${anEvent().id}@llm-proxy.invalid>`);
      expect(text).toContain("Subject: [LLM Proxy] Credit of account Acme is nearly used up");
    }
  });

  test("who is refused alone gets it with the next try, and nobody else again", async () => {
    const { receiver, server } = await made();
    server.answers.set("RCPT TO:<boss@example.com>", "450 try later");
    for (let tries = 0; tries < 2; tries++) {
      const refusal = await failure(receiver.deliver([anEvent()], live()));
      expect(refusal).toMatchObject({ kind: "unavailable" });
      expect(String(refusal)).not.toContain("boss");
    }
    server.answers.clear();
    await receiver.deliver([anEvent()], live());
    expect(server.mails.map(({ to }) => to)).toEqual([["<ops@example.com>"], ["<boss@example.com>"]]);
    await receiver.deliver([anEvent({ id: "another" })], live());
    expect(server.mails.at(-1)?.to).toHaveLength(2);
  });

  test.each([
    [{ from: "not an address" }, "from: not one e-mail address"],
    [{ from: "a@b.c, d@e.f" }, "from: not one e-mail address"],
    [{ to: ["ops@example.com", "bad one"] }, "to[1]: no e-mail address"],
    [{ to: "nothing" }, "to: no e-mail address"],
    [{ to: "ops@example.com, nobody" }, "to: no e-mail address"],
  ])("%p does not start", async (options, message) => {
    await expect(made(options)).rejects.toThrow(message);
  });

  test.each([
    { to: "Ops <ops@example.com>" },
    { to: "ops@example.com, Boss <boss@example.com>" },
    { from: '"Proxy, LLM" <p@example.com>' },
  ])("%p starts", async (options) => {
    await made(options);
  });

  test("a name cannot add headers or recipients", async () => {
    const { receiver, server } = await made();
    await receiver.deliver([anEvent({ text: "Budget of key x\r\nBcc: evil@example.com\r\n\r\nhello ü" })], live());
    const [mail] = server.mails;
    expect(mail?.to).toHaveLength(2);
    const [head = ""] = (mail?.text ?? "").split("\n\n");
    expect(head.split("\n").filter((line) => /^bcc/i.test(line))).toEqual([]);
  });

  test("a server without TLS gets no password, unless that is said", async () => {
    const secret = { user: "proxy", password: "a-password-canary" };
    const strict = await made({ ...secret, tls: "starttls" });
    strict.server.answers.set("STAR", "502 no such thing");
    expect(await failure(strict.receiver.deliver([anEvent()], live()))).toMatchObject({ kind: "unavailable" });
    expect(strict.server.lines.filter((line) => line.startsWith("AUTH"))).toEqual([]);
    const loose = await made(secret);
    await loose.receiver.deliver([anEvent()], live());
    expect(loose.server.lines).toContain(`AUTH PLAIN ${Buffer.from("\0proxy\0a-password-canary").toString("base64")}`);
  });

  test("what it says of a failure holds nothing that the server said", async () => {
    const { receiver, server } = await made({ user: "proxy", password: "a-password-canary" });
    server.answers.set("AUTH", "535 no: proxy a-password-canary");
    const error = await failure(receiver.deliver([anEvent()], live()));
    expect(error).toMatchObject({ message: "EAUTH (535)" });
  });

  test("a user without a password is a mistake", async () => {
    expect(made({ user: "proxy" })).rejects.toThrow("give both or none");
  });

  test.each(["EHLO", "MAIL", "RCPT", "DATA"])(
    "an abort while it waits for the answer to %s ends the connection",
    async (verb) => {
      const { receiver, server } = await made();
      server.answers.set(verb, null);
      const abort = new AbortController();
      const sent = failure(receiver.deliver([anEvent()], abort.signal));
      await until("the command", () => server.lines.some((line) => line.startsWith(verb)));
      abort.abort();
      expect(await sent).toMatchObject({ kind: "unavailable", message: "the mail server took too long" });
      // Long before silence alone would end it.
      await until("the end of the connection", () => server.open === 0, { deadlineMs: 4_000 });
      expect(server.mails).toEqual([]);
    },
  );

  test("an abort before it begins connects to nobody", async () => {
    const { receiver, server } = await made();
    expect(await failure(receiver.deliver([anEvent()], AbortSignal.abort()))).toMatchObject({ kind: "unavailable" });
    expect(server.lines).toEqual([]);
  });

  test("a server that is not there", async () => {
    const { receiver, server } = await made();
    await server.stop();
    expect(await failure(receiver.deliver([anEvent()], live()))).toMatchObject({ message: "ESOCKET" });
  });
});
