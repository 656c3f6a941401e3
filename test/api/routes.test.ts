import { beforeAll, describe, expect, test } from "bun:test";
import { adminToken, type Api, apis } from "./server.ts";

const newApi = apis();
let api: Api;
let key = "";
beforeAll(async () => {
  const mock = { chat: () => never(), models: ["one"] } as const;
  api = await newApi({ providers: { mock } });
  key = (await api.admin("POST", "/api/keys", { name: "app" })).body.key;
});
/** A path with something in the place of each parameter. */
const filled = (path: string) =>
  path.replace(/:\w+/g, "0190a1b2-0000-7000-8000-000000000000").replace("*", "some/model");
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
/** As from a page of our own, so that it is the missing credential that is refused and not the foreign origin. */
const ownPage = { origin: "http://gateway.test", "sec-fetch-site": "same-origin" };
const body = (method: string) =>
  method === "POST"
    ? { body: "{}", headers: { ...ownPage, "content-type": "application/json" } }
    : { headers: ownPage };

describe("every route", () => {
  test("that is not public is closed to whoever shows nothing, or anything else than it asks for", async () => {
    const credentials = {
      nothing: {},
      "an empty bearer": { authorization: "Bearer " },
      null: bearer("null"),
      undefined: bearer("undefined"),
      basic: { authorization: "Basic YWRtaW46YWRtaW4=" },
      "a made-up key": bearer(`sk-llmp-abc`),
      "an internal header": { "x-forwarded-user": "admin", "x-original-url": "/healthz", "x-real-ip": "127.0.0.1" },
    };
    const open: string[] = [];
    let asked = 0;
    for (const { method, path, access } of api.routes.filter((route) => route.access !== "public"))
      for (const [name, headers] of Object.entries(credentials)) {
        const sent = body(method);
        const { status, headers: answered } = await api.send(method, filled(path), {
          ...sent,
          headers: { ...sent.headers, ...headers },
        });
        asked += 1;
        // A page sends people to the login instead.
        const toLogin =
          access.endsWith("session") &&
          status === 303 &&
          (answered.get("location") ?? "").startsWith("/dashboard/login");
        if (status !== 401 && !toLogin) open.push(`${method} ${path} with ${name}: ${status}`);
      }
    expect(open).toEqual([]);
    expect(asked).toBeGreaterThan(50);
  });

  test("is public only if it is one of these", () => {
    const open = api.routes.filter(({ access }) => access === "public").map(({ method, path }) => `${method} ${path}`);
    const allowed =
      /^(GET|HEAD) (\/|\/healthz|\/readyz)$|^(GET|POST) \/dashboard\/login$|^POST \/hooks\/:instance$|^GET \/dashboard\/(login\/oidc\/:issuer(\/callback)?$|assets\/)/;
    expect(open.filter((route) => !allowed.test(route))).toEqual([]);
    expect(open.length).toBeGreaterThanOrEqual(5);
  });

  test("of the API is for the admin token alone, and /v1 for keys alone", async () => {
    const crossed: string[] = [];
    for (const { method, path, access } of api.routes) {
      const sent = body(method);
      const wrong = access === "admin" ? bearer(key) : access === "key" ? bearer(adminToken) : null;
      if (!wrong) continue;
      const { status } = await api.send(method, filled(path), { ...sent, headers: { ...sent.headers, ...wrong } });
      if (status !== 401) crossed.push(`${method} ${path}: ${status}`);
    }
    expect(crossed).toEqual([]);
    expect((await api.send("GET", "/v1/models", { headers: bearer(key) })).status).toBe(200);
    expect((await api.admin("GET", "/api/keys")).status).toBe(200);
  });

  test("takes the admin token in each header that a credential may come in, and never in the address", async () => {
    for (const name of ["x-api-key", "api-key", "x-goog-api-key"])
      expect([name, (await api.send("GET", "/api/keys", { headers: { [name]: adminToken } })).status]).toEqual([
        name,
        200,
      ]);
    for (const name of ["key", "api_key", "access_token", "token"])
      expect([name, (await api.send("GET", `/api/keys?${name}=${adminToken}`)).status]).toEqual([name, 401]);
  });

  const meets = (left: string, right: string): boolean =>
    left === filled(right) || new RegExp(`^${left.replace(/:\w+/g, "[^/]+")}$`).test(right);

  test("answers another method with 405 and the ones it takes", async () => {
    const wrong: string[] = [];
    for (const path of new Set(api.routes.map((route) => route.path)))
      for (const method of ["PUT", "PATCH", "OPTIONS", "DELETE", "POST", "GET"]) {
        const takes = api.routes.filter((route) => route.path === path).map((route) => String(route.method));
        if (takes.includes(method)) continue;
        // Another route may have the same path as an example of this one, or this one as an example.
        if (api.routes.some((route) => route.path !== path && route.method === method && meets(route.path, path)))
          continue;
        const { status, headers } = await api.send(method, filled(path));
        const allow = (headers.get("allow") ?? "").split(", ");
        if (status !== 405 || !takes.every((taken) => allow.includes(taken)))
          wrong.push(`${method} ${path}: ${status} ${String(allow)}`);
      }
    expect(wrong).toEqual([]);
  });

  test.each(["/api/keys", "/healthz", "/v1/models", "/dashboard/keys"])(
    "names HEAD among the methods of %s, which is answered as its GET",
    async (path) => {
      const allow = (await api.send("PUT", path)).headers.get("allow")?.split(", ") ?? [];
      expect(allow.filter((method) => method === "GET" || method === "HEAD")).toEqual(["GET", "HEAD"]);
      for (const headers of [{}, bearer(adminToken), bearer(key)])
        expect((await api.send("HEAD", path, { headers })).status).toBe(
          (await api.send("GET", path, { headers })).status,
        );
    },
  );

  test.each([
    ["/dashboard/ledger/credits", "/dashboard/ledger"],
    ["/dashboard/config/plan", "/dashboard/config"],
    ["/dashboard/keys/k%201/rotation", "/dashboard/keys/k%201"],
    ["/dashboard/logout", "/dashboard"],
  ])("is a page with the way back where a browser opens %s, to which a form was sent", async (path, back) => {
    const answer = await api.send("GET", path);
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, "POST"]);
    expect(answer.headers.get("content-type")).toStartWith("text/html");
    expect(await answer.text()).toContain(`<a href="${back}">`);
  });

  test.each([
    "//api/keys",
    "/api/keys/",
    "/API/keys",
    "/api/./keys",
    "/api/x/../keys",
    "/api/%6beys",
    "/api/keys;x",
    "/api/keys%00",
    "/api%2fkeys",
  ])("%s is no way around: without the token as closed as the real path, or nothing", async (path) => {
    expect([401, 404]).toContain((await api.send("GET", path)).status);
  });
});

describe("/openapi.json", () => {
  test("needs the admin token", async () => {
    expect((await api.send("GET", "/openapi.json")).status).toBe(401);
    expect((await api.send("GET", "/openapi.json", { headers: bearer(key) })).status).toBe(401);
  });

  test("describes every route of the API and nothing else", async () => {
    const { body: described } = await api.admin("GET", "/openapi.json");
    expect(described.openapi).toStartWith("3.1");
    const listed = Object.entries<object>(described.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const routes = api.routes
      .filter(({ path }) => /^\/api\/|^\/metrics$|^\/v1\/me(\/|$)/.test(path))
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
    expect(listed.toSorted()).toEqual(routes.toSorted());
    expect(routes.length).toBeGreaterThan(8);
  });

  test("says what a body, a query and a path hold", async () => {
    const { body: described } = await api.admin("GET", "/openapi.json");
    const create = described.paths["/api/keys"].post;
    expect(create.requestBody.content["application/json"].schema).toMatchObject({
      type: "object",
      required: ["name"],
      additionalProperties: false,
    });
    expect(create.responses).toHaveProperty("201");
    const parameters = (path: string, method: string): string[] =>
      described.paths[path][method].parameters.map(({ name }: { name: string }) => name);
    expect(parameters("/api/calls", "get")).toEqual(
      expect.arrayContaining(["after", "limit", "key", "model", "from", "to"]),
    );
    expect(parameters("/api/calls/{id}", "get")).toEqual(["id"]);
  });
});

describe("what does not exist", () => {
  test("is answered alike, whatever its kind: no id can be tried out", async () => {
    const paths = [
      "/api/keys/x",
      "/api/keys/0190a1b2-0000-7000-8000-000000000000",
      "/api/budgets/x",
      "/api/calls/x",
      "/api/keys/%00",
      "/api/calls/' OR 1=1",
    ];
    const answers = await Promise.all(paths.map((path) => api.admin("GET", path)));
    const removed = await Promise.all(["/api/keys/x", "/api/budgets/x"].map((path) => api.admin("DELETE", path)));
    const texts = [...answers, ...removed].map(
      ({ status, text, body: { error } }) => `${status} ${text.replace(error.request_id, "")}`,
    );
    expect(new Set(texts).size).toBe(1);
    expect(texts[0]).toStartWith("404 ");
  });

  test("a model the key may not use looks like one that is not there", async () => {
    const restricted = (await api.admin("POST", "/api/keys", { name: "narrow", models: ["other"] })).body.key;
    const texts = await Promise.all(
      ["one", "mock/one", "unheard-of"].map(async (id) => {
        const answered = await api.send("GET", `/v1/models/${id}`, { headers: bearer(restricted) });
        return `${answered.status} ${(await answered.text()).replace(/"request_id":"[^"]*"/, "")}`;
      }),
    );
    expect(new Set(texts).size).toBe(1);
    expect(texts[0]).toStartWith("404 ");
    for (const id of ["mock/one", "mock%2Fone", "one"])
      expect((await api.send("GET", `/v1/models/${id}`, { headers: bearer(key) })).status).toBe(200);
  });

  test("a path: 404, without a word of what is there", async () => {
    const answered = await api.send("GET", "/api/nothing");
    expect([answered.status, answered.headers.get("allow")]).toEqual([404, null]);
  });
});

async function* never(): AsyncGenerator<never> {
  yield await Promise.reject(new Error("no call is made in these tests"));
}
