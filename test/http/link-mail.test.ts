import { afterAll, beforeAll, expect, test } from "bun:test";
import { MailServer } from "../support/mail-server.ts";
import { until } from "../support/poll.ts";
import { setUp, type Setup } from "../support/setup.ts";

let mails: MailServer;
let setup: Setup;

beforeAll(async () => {
  mails = await MailServer.start();
  setup = await setUp({
    config: `observer:\n  mail: { use: smtp, host: 127.0.0.1, port: ${mails.port}, tls: none, from: proxy@example.com, to: ops@example.com }`,
  });
});
afterAll(async () => {
  await setup.stop();
  await mails.stop();
});

async function api(path: string, body: object = {}) {
  const response = await fetch(setup.gateway.url + path, {
    method: "POST",
    headers: { authorization: `Bearer ${setup.gateway.adminToken}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}
/** As it is read: without the soft line ends and signs of quoted-printable (RFC 2045 §6.7). */
const read = (text = "") =>
  text.replace(/=\r?\n/g, "").replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
const mailTo = async (address: string) => {
  const found = () => mails.mails.filter(({ to }) => to.some((one) => one.includes(address)));
  await until(`a mail to ${address}`, () => found().length > 0);
  return found();
};

test("an invitation and a new link go by mail to whom they are for, and are shown all the same", async () => {
  const email = "ada@example.com";
  const invited = await api("/api/people", { email, name: "Ada", role: "viewer" });
  const [mail] = await mailTo(email);
  expect(mail?.to).toHaveLength(1);
  expect(read(mail?.text)).toContain(invited.body.link.url);
  expect(read(mail?.text)).toContain("Subject: Invitation to LLM Proxy");
  const again = await api(`/api/people/${invited.body.id}/link`);
  await until("the second mail", async () => (await mailTo(email)).length === 2);
  expect(read((await mailTo(email))[1]?.text)).toContain(again.body.url);
});

test("an address with a comma is one address, and a service gets nothing", async () => {
  const before = mails.mails.length;
  await api("/api/people", { kind: "service", name: "ci", role: "viewer" });
  expect((await api("/api/people", { email: "a,eve@example.com", name: "A", role: "viewer" })).status).toBe(201);
  await until("the mail", () => mails.mails.length > before);
  const sent = mails.mails.slice(before);
  expect(sent.map(({ to }) => to.length)).toEqual([1]);
  expect(sent[0]?.to[0]).not.toMatch(/^<?eve@example\.com/);
});

test("a mail server that refuses keeps nobody from being invited, and the log says so without the link", async () => {
  mails.answers.set("RCPT", "550 no");
  const invited = await api("/api/people", { email: "bob@example.com", name: "Bob", role: "viewer" });
  expect(invited.status).toBe(201);
  await until("the warning", () => setup.gateway.log().includes("a link could not be sent by mail"));
  expect(setup.gateway.log()).not.toContain(new URL(invited.body.link.url).searchParams.get("token"));
});
