import { definePlugin, GatewayError, t, type ToldEvent } from "llm-proxy/plugin";
import type { SendMailOptions } from "nodemailer";
import addressparser from "nodemailer/lib/addressparser";
import { alertsOption } from "./alert-option.ts";

/** Silence that ends a connection; the whole delivery has a deadline of its own. */
const silenceMs = 8_000;

export default definePlugin({
  kind: "observer",
  name: "smtp",
  api: 1,
  description: "Sends alerts by e-mail, and invitations and links to set a password to whom they are for.",
  config: t.Object(
    {
      host: t.String({ minLength: 1, description: "Of the mail server." }),
      port: t.Integer({ minimum: 1, maximum: 65_535, default: 587 }),
      tls: t.Union([t.Literal("starttls"), t.Literal("implicit"), t.Literal("none")], {
        default: "starttls",
        expected: "starttls, implicit or none",
        description:
          "`starttls` refuses a server that has none, `implicit` is what port 465 speaks, `none` sends in the clear, a password too.",
      }),
      user: t.Optional(t.String({ minLength: 1 })),
      password: t.Optional(t.String({ minLength: 1, writeOnly: true })),
      from: t.String({ minLength: 3, description: "`proxy@example.com` or `LLM Proxy <proxy@example.com>`." }),
      to: t.Union([t.String({ minLength: 3 }), t.Array(t.String({ minLength: 3 }), { minItems: 1 })], {
        expected: "an address or a list of them",
        description: "An address, or a list of them.",
      }),
      events: alertsOption,
    },
    { additionalProperties: false },
  ),
  check({ user, password, from, to }) {
    if ((user === undefined) !== (password === undefined)) throw new Error("user and password: give both or none");
    if (addressesIn(from).length !== 1) throw new Error("from: not one e-mail address");
    for (const [at, text] of [to].flat().entries())
      if (addressesIn(text).length === 0)
        throw new Error(`${Array.isArray(to) ? `to[${at}]` : "to"}: no e-mail address`);
  },
  async setup({ host, port, tls, user, password, from, to, events }) {
    const { createTransport } = await import("nodemailer");
    const options = {
      host,
      port,
      secure: tls === "implicit",
      requireTLS: tls === "starttls",
      ignoreTLS: tls === "none",
      connectionTimeout: silenceMs,
      greetingTimeout: silenceMs,
      socketTimeout: silenceMs,
      // Nothing in a message is to be read from a file or fetched.
      disableFileAccess: true,
      disableUrlAccess: true,
      ...(user !== undefined && password !== undefined && { auth: { user, pass: password } }),
    };
    /** Returns the recipients that the server refused; all of them are thrown. */
    async function send(message: SendMailOptions, signal: AbortSignal): Promise<string[]> {
      try {
        // One connection a message: alerts are few. An abort ends it: https://nodemailer.com/guides/cancelling-a-send
        const { rejected } = await createTransport(options).sendMail({ from, ...message, signal });
        return rejected;
      } catch (error) {
        if (signal.aborted) throw new GatewayError("unavailable", "the mail server took too long", { cause: error });
        throw reasonOf(error);
      }
    }
    /** By event: who has not got it while others have. Who has is not sent it with each try. */
    const missed = new Map<string, string[]>();
    return {
      receiver: {
        events,
        async deliver([event], signal) {
          if (event === undefined) return;
          const rejected = await send({ to: missed.get(event.id) ?? to, ...mailOf(event) }, signal);
          missed.delete(event.id);
          if (rejected.length === 0) return;
          if (missed.size >= maxMissed) missed.clear();
          missed.set(event.id, rejected);
          throw new GatewayError("unavailable", `the mail server refused ${rejected.length} of the recipients`);
        },
      },
      // An address as an object is one: in a text, a comma would make two of it.
      mail: async (letter, signal) => void (await send({ ...letter, to: { name: "", address: letter.to } }, signal)),
    };
  },
});

const maxMissed = 1_000;

/** Those of a list with or without names; none, where a part of it is no address. */
function addressesIn(text: string): readonly string[] {
  const found = addressparser(text, { flatten: true }).map(({ address }) => address);
  return found.every((address) => /^[^\s@]+@[^\s@]+$/.test(address)) ? found : [];
}

const maxSubject = 150;

/** The id makes the message's own, by which mail programs know what they have had. */
const mailOf = ({ id, type, atMs, text, data }: ToldEvent) => ({
  messageId: `<${id}@llm-proxy.invalid>`,
  subject: `[LLM Proxy] ${text.length > maxSubject ? `${text.slice(0, maxSubject - 1)}…` : text}`,
  text: `${text}\n\n${type}, ${new Date(atMs).toISOString()}\n${id}\n\n${JSON.stringify(data, null, 2)}\n`,
});

/** What the server said may repeat what it was told, the user and an encoded password: only codes are kept. */
function reasonOf(error: unknown): Error {
  if (error instanceof GatewayError) return error;
  const field = (name: string): unknown => (error instanceof Error ? Reflect.get(error, name) : undefined);
  const [code, responseCode] = [field("code"), field("responseCode")];
  const answer = typeof responseCode === "number" ? ` (${responseCode})` : "";
  return new GatewayError("unavailable", `${typeof code === "string" ? code : "the mail was not sent"}${answer}`, {
    cause: error,
  });
}
