import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { apis } from "../api/server.ts";
import { apiRecipes } from "./api-recipes.ts";
import { pageRecipes } from "./page-recipes.ts";
import { type Answer, api, form, joined, type Signed } from "./people.ts";
import { receiver, setup } from "./world.ts";

/**
 * Every route that may change something, of the API and of the pages, asked of a real process: each leaves one entry in
 * the audit log, by whoever asked, about what they changed. A new route is missing here until somebody says what it leaves.
 */
let ann: Signed;
beforeAll(async () => {
  ann = await joined(setup.gateway, "owner");
}, 30_000);
afterAll(async () => {
  await setup.stop();
  await receiver.stop();
});

interface Entry {
  readonly seq: number;
  readonly actor_kind: string;
  readonly actor_id: string | null;
  readonly address: string | null;
  readonly route: string | null;
  readonly action: string;
  readonly object_kind: string;
  readonly object_id: string | null;
  readonly times: number;
}
const recipes = { ...apiRecipes, ...pageRecipes };
const newApi = apis();

describe("every route that may change something", () => {
  test("is told apart here", async () => {
    const { routes } = await newApi({});
    const writing = routes.filter(({ permission }) => permission?.endsWith(".write"));
    expect(writing.length).toBeGreaterThan(70);
    expect(Object.keys(recipes).toSorted()).toEqual(writing.map(({ method, path }) => `${method} ${path}`).toSorted());
  });

  test.each(Object.keys(recipes))("%s leaves one entry, by whoever asked, of what they changed", async (route) => {
    const recipe = recipes[route];
    if (!recipe) throw new Error("there is no such recipe");
    const { path, body, by = ann, action, object } = await recipe();
    const before = newestSeq();
    const method = route.split(" ")[0] ?? "";
    const isPage = path.startsWith("/dashboard");
    const answer: Answer = isPage
      ? { ...(await form(setup.gateway, path, { ...body }, by.cookie)), body: null }
      : await api(setup.gateway, method, path, { token: by.token, ...(body && { body }) });
    expect([answer.status < 400, answer.text]).toEqual([true, answer.text]);
    const entries = setup.gateway.sql<Entry>(`SELECT * FROM audit_entries WHERE seq > ${before}`);
    expect(entries).toMatchObject([
      {
        actor_kind: isPage ? "person" : "api-token",
        actor_id: by.id,
        address: "127.0.0.1",
        route,
        action,
        times: 1,
        ...(object !== null && { object_id: object ?? answer.body.id }),
      },
    ]);
  });
});

const newestSeq = (): number =>
  setup.gateway.sql<{ seq: number }>("SELECT max(seq) AS seq FROM audit_entries")[0]?.seq ?? 0;
