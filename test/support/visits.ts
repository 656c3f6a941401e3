import type { Gateway } from "./process.ts";

/** The admin API and the dashboard of a running process, as programs and browsers use them. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
  // What an endpoint answers is for the test to say.
  readonly body: ReturnType<typeof JSON.parse>;
}

/** Somebody with a role, signed in, who has a token of their own too. */
export interface Signed {
  readonly id: string;
  readonly email: string;
  readonly cookie: string;
  /** Of the session; every form of its pages carries it. */
  readonly csrf: string;
  readonly token: string;
}

const password = "correct horse battery";

type Fields = Readonly<Record<string, string>>;

export async function send(
  gateway: Gateway,
  method: string,
  path: string,
  { headers = {}, body }: { readonly headers?: Fields; readonly body?: string | URLSearchParams | undefined } = {},
): Promise<Answer> {
  const response = await fetch(gateway.url + path, {
    method,
    redirect: "manual",
    headers: { ...headers },
    ...(body !== undefined && { body }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
  return { status: response.status, text, headers: response.headers, body: isJson ? JSON.parse(text) : null };
}

/** A request to the admin API with a token, the admin's own unless another is given; `null`: none. */
export const api = (
  gateway: Gateway,
  method: string,
  path: string,
  body?: unknown,
  token: string | null = gateway.adminToken,
): Promise<Answer> =>
  send(gateway, method, path, {
    headers: {
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });

/** A page with the cookie of a session. */
export const page = (gateway: Gateway, path: string, cookie: string, headers: Fields = {}): Promise<Answer> =>
  send(gateway, "GET", path, { headers: { cookie, ...headers } });

/** A form as a browser sends it from a page of this site. */
export const form = (
  gateway: Gateway,
  path: string,
  fields: Fields,
  { cookie, csrf }: { readonly cookie?: string; readonly csrf?: string } = {},
): Promise<Answer> =>
  send(gateway, "POST", path, {
    headers: { origin: gateway.url, ...(cookie !== undefined && { cookie }) },
    body: new URLSearchParams({ ...(csrf !== undefined && { csrf }), ...fields }),
  });

const cookieIn = ({ headers }: Answer): string => /^[^;]+/.exec(headers.get("set-cookie") ?? "")?.[0] ?? "";

const csrfOf = async (gateway: Gateway, cookie: string): Promise<string> =>
  /x-csrf-token&quot;:&quot;(\w+)/.exec((await page(gateway, "/dashboard/me", cookie)).text)?.[1] ?? "";

/** A session of whoever holds the admin token. */
export async function operatorSession(gateway: Gateway): Promise<Pick<Signed, "cookie" | "csrf">> {
  const cookie = cookieIn(await form(gateway, "/dashboard/login", { token: gateway.adminToken }));
  return { cookie, csrf: await csrfOf(gateway, cookie) };
}

/** Invited with the role, to an account or to the whole, and signed in; their token is kept among the secrets. */
export async function join(
  gateway: Gateway,
  role: string,
  { accountId = null, name = `a ${role}` }: { readonly accountId?: string | null; readonly name?: string } = {},
): Promise<Signed> {
  const email = `${crypto.randomUUID()}@example.com`;
  const invited = await api(gateway, "POST", "/api/people", { email, name, role, accountId });
  if (invited.status !== 201) throw new Error(`not invited: ${invited.text}`);
  const link = new URL(invited.body.link.url).searchParams.get("token") ?? "";
  const cookie = cookieIn(await form(gateway, "/dashboard/login", { token: link, password }));
  const csrf = await csrfOf(gateway, cookie);
  const made = await form(gateway, "/dashboard/me/tokens", { name: "ci" }, { cookie, csrf });
  const token = /llmp_pat_\w+/.exec(made.text)?.[0] ?? "";
  gateway.secrets.add(token);
  return { id: invited.body.id, email, cookie, csrf, token };
}

/** Forms and pages that somebody finds who follows every link from the first page, up to `most` pages. */
export async function crawl(
  gateway: Gateway,
  cookie: string,
  { from = ["/dashboard"], most = 100 }: { readonly from?: readonly string[]; readonly most?: number } = {},
): Promise<{ readonly pages: ReadonlyMap<string, string>; readonly actions: ReadonlySet<string> }> {
  const pages = new Map<string, string>();
  const actions = new Set<string>();
  for (const queue = [...from]; queue.length > 0 && pages.size < most;) {
    const path = queue.shift() ?? "";
    if (pages.has(path)) continue;
    const { text } = await page(gateway, path, cookie);
    pages.set(path, text);
    for (const [, action = ""] of text.matchAll(/(?:method="post" action|hx-(?:post|put|patch|delete))="([^"]+)"/g))
      actions.add(unescaped(action));
    for (const [, link = ""] of text.matchAll(/(?:href|hx-get)="(\/dashboard[^"#]*)"/g))
      if (!link.includes("/assets/")) queue.push(unescaped(link));
  }
  return { pages, actions };
}

/** What an attribute says. */
export const unescaped = (text: string): string =>
  text
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
