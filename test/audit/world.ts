import { Database as Client } from "bun:sqlite";
import { join } from "node:path";
import { Secret, TOTP } from "otpauth";
import { call, chat } from "../support/clients.ts";
import { until } from "../support/poll.ts";
import { answers } from "../support/openai-answers.ts";
import { WebhookReceiver } from "../support/receiver.ts";
import { setUp } from "../support/setup.ts";
import { api, joined, password, type Signed } from "./people.ts";

export const receiver = await WebhookReceiver.start();
/** The process that the recipes ask; the test that uses them stops it. */
export const setup = await setUp({
  config: `observer: { log: {}, ops: { use: webhook, url: "${receiver.url}", secret: s-of-the-hook, events: [usage.call] } }\n`,
});
setup.upstream.on("m", answers());

/** A request that changes something, and the entry that it leaves. */
export interface Asked {
  readonly path: string;
  /** JSON for the API, fields for a page. */
  readonly body?: object;
  /** Default: Ann. */
  readonly by?: Signed;
  readonly action: string;
  /** `undefined`: of the answer. */
  readonly object?: string | null;
}
export type Recipe = () => Promise<Asked> | Asked;

export const admin = async (method: string, path: string, body?: object) => {
  const answer = await api(setup.gateway, method, path, { body });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.body;
};
const made = async (path: string, body: object): Promise<string> => (await admin("POST", path, body)).id;
export const aKey = () => made("/api/keys", { name: "key" });
export const anAccount = () => made("/api/accounts", { name: "account" });
/** The account of test calls is made for the first one, by the process. */
export async function aTestedModel(): Promise<string> {
  const model = "mock/m";
  await admin("POST", "/api/models/test", { model });
  return model;
}
export const aBudget = () => made("/api/budgets", { scope: { kind: "global" }, usd: 1_000, window: "day" });
export const aLimit = () => made("/api/limits", { scope: { kind: "global" }, requestsPerMinute: 60_000 });
export const aPrice = () =>
  made("/api/prices", { target: "mock/lab-*", input: "1", output: "2", effectiveFrom: Date.now() + 86_400_000 });
export const aCharge = () =>
  made("/api/prices/charges", { target: "mock/lab-*", margin: "10", effectiveFrom: Date.now() + 86_400_000 });
export const aCredential = () => made("/api/providers/mock/credentials", { apiKey: `sk-${crypto.randomUUID()}` });
export const person = () =>
  made("/api/people", { email: `${crypto.randomUUID()}@example.com`, name: "P", role: "viewer" });
export const aService = () => made("/api/people", { kind: "service", name: "S", role: "viewer" });
export async function aToken() {
  const service = await aService();
  return { service, token: await made(`/api/people/${service}/tokens`, { name: "t" }) };
}
export async function aSession() {
  const one = await joined(setup.gateway, "viewer");
  return { one, session: String((await admin("GET", `/api/people/${one.id}/sessions`)).data[0].id) };
}
export async function withTotp() {
  const one = await joined(setup.gateway, "viewer");
  const { enrolment, code } = await enrolmentOf(one);
  await api(setup.gateway, "POST", "/api/me/totp/confirmation", { body: { enrolment, code }, token: one.token });
  return one;
}
export async function enrolmentOf(one: Signed) {
  const { body } = await api(setup.gateway, "POST", "/api/me/totp", { body: { password }, token: one.token });
  const secret = new URL(body.uri).searchParams.get("secret") ?? "";
  return { enrolment: String(body.enrolment), code: new TOTP({ secret: Secret.fromBase32(secret) }).generate() };
}
/** A call of a new account's key whose content is kept. */
export async function content() {
  const { gateway } = setup;
  const account = await anAccount();
  const key = await admin("POST", "/api/keys", { name: "kept", accountId: account, content: "on" });
  const { callId } = await call(gateway, key.key, chat("mock/m"));
  await until("the content is written", async () =>
    (await api(gateway, "GET", `/api/calls/${callId}/content`)).status === 200 ? true : null,
  );
  return { account, key: String(key.id), call: callId };
}
export async function own(body: object, rest: string, action: string, object?: string | null): Promise<Asked> {
  const by = await joined(setup.gateway, "viewer");
  return { path: `/api/me${rest}`, body, by, action, object: object === undefined ? by.id : object };
}
export const newPassword = { current: password, password: "staple correct horse" };

export async function of(
  make: () => Promise<string>,
  path: (id: string) => string,
  body: object,
  action: string,
): Promise<Asked> {
  const id = await make();
  return { path: path(id), body, action, object: id };
}
export async function mine(rest: string, body: object, action: string): Promise<Asked> {
  const by = await joined(setup.gateway, "viewer");
  return { path: `/dashboard/me${rest}`, body, by, action, object: by.id };
}
/** Waits its turn: the process writes too. */
function besideProcess(): Client {
  const client = new Client(join(setup.gateway.dataDir, "llm-proxy.db"));
  client.run("PRAGMA busy_timeout = 5000");
  return client;
}
/** Somebody whom an issuer signs in too: no issuer is asked for that, so it is written beside the process. */
export async function linked(): Promise<Signed> {
  const one = await joined(setup.gateway, "viewer");
  const client = besideProcess();
  client
    .prepare("INSERT INTO person_logins SELECT ?, ?, ref, 1 FROM people WHERE id = ?")
    .run(issuer, crypto.randomUUID(), one.id);
  client.close();
  return one;
}
export const issuer = "https://login.example.com";

/** An event that a receiver refused until it was given up: that takes days, so it is written beside the process. */
export function deadLetter(): string {
  const id = crypto.randomUUID();
  const client = besideProcess();
  client
    .prepare(
      "INSERT INTO deliveries (receiver, event_id, event, state, attempts, since_ms, next_ms, ended_ms) VALUES ('ops', ?, '{}', 'dead', 1, 1, 1, 1)",
    )
    .run(id);
  client.close();
  return id;
}
