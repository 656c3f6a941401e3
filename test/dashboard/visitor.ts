import { unescaped } from "../support/visits.ts";
import { adminToken, type Site } from "./site.ts";

/** A browser as far as cookies and its own headers go. */
export interface Visitor {
  readonly cookie: () => string | null;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  /** A form of a page of this site, with the session's token, unless the headers or fields say otherwise. */
  post(
    path: string,
    fields?: Readonly<Record<string, string>> | URLSearchParams,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Response>;
  /** The token that the pages of this session carry. */
  csrf(): Promise<string>;
}

export function visitor(
  site: Site,
  { origin = "http://localhost:8787", cookie = null as string | null } = {},
): Visitor {
  const { host } = new URL(origin);
  let held = cookie;
  const send = async (path: string, init: RequestInit & { headers: Record<string, string> }): Promise<Response> => {
    const headers = { host, ...(held !== null && { cookie: held }), ...init.headers };
    const response = await site.fetch(new Request(origin + path, { ...init, headers }));
    const set = response.headers.get("set-cookie");
    if (set !== null) held = set.includes("Max-Age=0") ? null : (set.split(";")[0] ?? null);
    return response;
  };
  const self: Visitor = {
    cookie: () => held,
    get: (path, headers = {}) => send(path, { headers: { ...headers } }),
    async post(path, fields = {}, headers = {}) {
      const body = new URLSearchParams(fields);
      if (path !== "/dashboard/login" && !body.has("csrf")) body.set("csrf", await self.csrf());
      return send(path, {
        method: "POST",
        body,
        headers: { origin, ...headers },
      });
    },
    async csrf() {
      const page = await (await self.get("/dashboard/keys")).text();
      return /name="csrf" value="([^"]+)"/.exec(page)?.[1] ?? "";
    },
  };
  return self;
}

export async function signedIn(site: Site, origin?: string): Promise<Visitor> {
  const one = visitor(site, origin === undefined ? {} : { origin });
  await one.post("/dashboard/login", { token: adminToken });
  return one;
}

/** What a browser sends of the form that has this field and nothing typed into it. */
export function formWith(field: string, page: string): URLSearchParams {
  const forms = page.match(/<form [^]*?<\/form>/g) ?? [];
  const sent = new URLSearchParams();
  let select = "";
  const add = (name: string | null, value: string | null) =>
    name !== null && sent.append(name, unescaped(value ?? "").replaceAll(/[\r\n]/g, ""));
  new HTMLRewriter()
    .on("input", {
      element(input) {
        const isBox = input.getAttribute("type") === "checkbox";
        if (!isBox || input.hasAttribute("checked")) add(input.getAttribute("name"), input.getAttribute("value"));
      },
    })
    .on("select", {
      element(element) {
        select = element.getAttribute("name") ?? "";
        sent.set(select, "");
      },
    })
    .on("option[selected]", {
      element: (option) => sent.set(select, unescaped(option.getAttribute("value") ?? "")),
    })
    .transform(forms.find((form) => form.includes(`name="${field}"`)) ?? "");
  return sent;
}
