import type { Gateway } from "../support/process.ts";

export const password = "correct horse battery";

/** Somebody who is signed in, and holds a token of their own. */
export interface Signed {
  readonly id: string;
  readonly email: string;
  readonly cookie: string;
  readonly token: string;
}
export interface Answer {
  readonly status: number;
  readonly text: string;
  // What an endpoint answers is for the test to say.
  readonly body: ReturnType<typeof JSON.parse>;
}

export async function api(
  gateway: Gateway,
  method: string,
  path: string,
  { body, token = gateway.adminToken }: { readonly body?: unknown; readonly token?: string } = {},
): Promise<Answer> {
  const response = await fetch(gateway.url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { "content-type": "application/json" }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = /^application\/json(?:;|$)/.test(response.headers.get("content-type") ?? "");
  return { status: response.status, text, body: isJson ? JSON.parse(text) : null };
}

/** A form of the dashboard, as a browser sends it; `cookie` of a session adds its token. */
export async function form(gateway: Gateway, path: string, fields: Readonly<Record<string, string>>, cookie?: string) {
  const csrf = cookie === undefined ? {} : { csrf: await csrfOf(gateway, cookie) };
  const response = await fetch(gateway.url + path, {
    method: "POST",
    redirect: "manual",
    headers: { origin: gateway.url, ...(cookie !== undefined && { cookie }) },
    body: new URLSearchParams({ ...csrf, ...fields }),
  });
  const set = /^[^;]+/.exec(response.headers.get("set-cookie") ?? "")?.[0] ?? null;
  return { status: response.status, text: await response.text(), cookie: set };
}

async function page(gateway: Gateway, path: string, cookie: string) {
  const response = await fetch(gateway.url + path, { redirect: "manual", headers: { cookie } });
  return { status: response.status, text: await response.text() };
}

const csrfOf = async (gateway: Gateway, cookie: string): Promise<string> =>
  /x-csrf-token&quot;:&quot;(\w+)/.exec((await page(gateway, "/dashboard/me", cookie)).text)?.[1] ?? "";

/** Invited with the role, signed in, and with a token. */
export async function joined(gateway: Gateway, role: string, accountId: string | null = null): Promise<Signed> {
  const email = `${role}-${crypto.randomUUID()}@example.com`;
  const invited = await api(gateway, "POST", "/api/people", { body: { email, name: `a ${role}`, role, accountId } });
  const link = new URL(invited.body.link.url).searchParams.get("token") ?? "";
  const { cookie } = await form(gateway, "/dashboard/login", { token: link, password });
  const made = await form(gateway, "/dashboard/me/tokens", { name: "of a test" }, cookie ?? "");
  return {
    id: invited.body.id,
    email,
    cookie: cookie ?? "",
    token: /llmp_pat_[0-9A-Za-z]{49}/.exec(made.text)?.[0] ?? "",
  };
}
