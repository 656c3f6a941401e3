import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { formWith } from "../dashboard/visitor.ts";
import { type Gateway, startGateway } from "../support/process.ts";
import { api, form, join, operatorSession, page, type Signed } from "../support/visits.ts";

/** The form by which somebody's role and place are changed: what was not typed into it stays, whatever it could show. */
let gateway: Gateway;
let operator: Pick<Signed, "cookie" | "csrf">;
beforeAll(async () => {
  gateway = await startGateway();
  operator = await operatorSession(gateway);
}, 30_000);
afterAll(() => gateway.dispose());

const pathOf = ({ id }: Pick<Signed, "id">) => `/dashboard/people/${id}`;
const formOf = async (of: Signed, { cookie } = operator) =>
  formWith("role", (await page(gateway, pathOf(of), cookie)).text);
const save = (of: Signed, fields: URLSearchParams, visitor = operator) =>
  form(gateway, pathOf(of), Object.fromEntries(fields), visitor);
const personOf = async ({ id }: Signed) => (await api(gateway, "GET", `/api/people/${id}`)).body;
const newAccount = async (name: string, parentId: string | null = null): Promise<string> =>
  (await api(gateway, "POST", "/api/accounts", { name, parentId })).body.id;

describe("the form of a person", () => {
  test("left open gives back no role and no place that was taken meanwhile", async () => {
    const somebody = await join(gateway, "admin");
    const stale = await formOf(somebody);
    const accountId = await newAccount("small");
    await api(gateway, "PATCH", `/api/people/${somebody.id}`, { role: "viewer", accountId });
    stale.set("name", "renamed");
    const saved = await save(somebody, stale);
    expect([saved.status, saved.headers.get("location")]).toEqual([303, pathOf(somebody)]);
    expect(await personOf(somebody)).toMatchObject({ name: "renamed", role: "viewer", accountId });
    expect((await page(gateway, "/dashboard/me", somebody.cookie)).status).toBe(200);
  });

  test("takes each change, says what is wrong, and saves as it stands", async () => {
    const somebody = await join(gateway, "viewer");
    const as = await formOf(somebody);
    expect((await save(somebody, as)).headers.get("location")).toBe(pathOf(somebody));
    expect(await personOf(somebody)).toMatchObject({ name: "a viewer", role: "viewer", accountId: null });
    const accountId = await newAccount("taken");
    for (const [field, value] of Object.entries({ name: "new", email: "new@example.com", role: "member", accountId })) {
      const typed = await formOf(somebody);
      typed.set(field, value);
      expect((await save(somebody, typed)).status).toBe(303);
      expect(await personOf(somebody)).toMatchObject({ [field]: value });
    }
    const wrong = await formOf(somebody);
    wrong.set("name", " ");
    expect((await save(somebody, wrong)).status).toBe(422);
  });

  test("keeps somebody in their account where there are more accounts than it shows", async () => {
    const tenant = await newAccount("tenant");
    const place = await newAccount("place", tenant);
    const somebody = await join(gateway, "viewer", { accountId: place });
    const admin = await join(gateway, "admin", { accountId: tenant });
    for (let made = 0; made < 1_050; made += 50)
      await Promise.all(Array.from({ length: 50 }, (_, at) => newAccount(`one of many ${made + at}`, tenant)));
    for (const visitor of [operator, admin]) {
      const shown = await formOf(somebody, visitor);
      expect(shown.get("accountId")).toBe(place);
      shown.set("name", `saved ${shown.get("name")}`);
      expect((await save(somebody, shown, visitor)).status).toBe(303);
    }
    expect(await personOf(somebody)).toMatchObject({ name: "saved saved a viewer", role: "viewer", accountId: place });
  }, 30_000);
});
