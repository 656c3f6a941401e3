import { describe, expect, test } from "bun:test";
import { keyRow, newSecret, site, startMs } from "./site.ts";
import { formWith, signedIn } from "./visitor.ts";

const text = (markup: string): string => markup.replaceAll(/<[^>]+>/g, " ").replaceAll(/\s+/g, " ");
const open = async (more: Parameters<typeof keyRow>[2] = {}) => {
  const one = site({ seed: { keys: [keyRow("k1", "first", more)] } });
  return { one, visitor: await signedIn(one) };
};
const path = "/dashboard/keys/k1";

describe("the page of a key", () => {
  test("says what it may do, in a form that saves as it stands", async () => {
    const { one, visitor } = await open({
      models: ["mock/*", "fast"],
      operations: ["chat"],
      metadata: { owner: "me" },
    });
    const page = await (await visitor.get(path)).text();
    for (const value of ['value="mock/*, fast"', 'value="owner=me"', 'value="chat" checked'])
      expect(page).toContain(value);
    expect(page).not.toContain('value="embeddings" checked');
    const before = one.database.rows.keys[0];
    const saved = await visitor.post(path, {
      name: "first",
      models: "mock/*, fast",
      metadata: "owner=me",
      operations: "chat",
    });
    expect(saved.headers.get("location")).toBe(path);
    expect(one.database.rows.keys[0]).toEqual(before);
  });

  test("takes changes, and says what is wrong beside what was typed", async () => {
    const { one, visitor } = await open();
    await visitor.post(path, {
      name: "second",
      models: "a b",
      metadata: "ticket=42, owner=x=y",
      expires: "2030-12-31",
    });
    expect(one.database.rows.keys[0]).toMatchObject({
      name: "second",
      models: ["a", "b"],
      metadata: { ticket: "42", owner: "x=y" },
      expiresMs: Date.UTC(2031, 0, 1),
    });
    for (const [field, value, says] of [
      ["name", "", "Name: expected"],
      ["metadata", "nothing", "pairs as owner=platform"],
      ["metadata", "a=b, a=c", "a is there twice"],
      ["metadata", 'a="b', "in quotes, as note="],
      ["models", '"a" "b', "in quotes, as"],
      ["expires", "2001-01-01", "this day is over"],
      ["content", "maybe", "kept or not"],
      ["operations", "everything", "Operations: expected"],
      ["routes", "v1", "Routes: expected a path"],
    ] as const) {
      const refused = await visitor.post(path, { name: "third", [field]: value });
      expect(refused.status).toBe(422);
      const page = await refused.text();
      expect(text(page)).toContain(says);
      if (field === "metadata") expect(formWith("models", page).get(field)).toBe(value);
    }
    expect(one.database.rows.keys[0]?.name).toBe("second");
  });

  test("changes nothing that was not typed, whatever a key may have", async () => {
    for (const more of [
      { expiresMs: startMs - 5_000 },
      { expiresMs: startMs - 3 * 86_400_000 },
      { expiresMs: Date.UTC(2027, 0, 5, 13, 30) },
      { expiresMs: 8_640_000_000_000_000 },
      { metadata: { note: "x, y=z" } },
      { metadata: { note: "a, b", lead: " lead", said: '"no", he said', lines: "a\nb\\", none: "" } },
      { models: ["a,b", "c d", '"e"'], routes: ["/v1/a,b", "/v1/*"], cidrs: ["10.0.0.0/8", "::1"] },
      { name: " first", operations: ["embeddings", "chat"] } as const,
    ]) {
      const { one, visitor } = await open(more);
      const before = keyRow("k1", "first", more);
      const form = formWith("models", await (await visitor.get(path)).text());
      const saved = await visitor.post(path, form);
      expect([saved.status, saved.headers.get("location")]).toEqual([303, path]);
      expect(one.database.rows.keys[0]).toEqual(before);
      form.set("name", "second");
      expect((await visitor.post(path, form)).status).toBe(303);
      expect(one.database.rows.keys[0]).toEqual({ ...before, name: "second" });
    }
  });

  test("takes back what it shows in quotes when more is typed behind it", async () => {
    const metadata = { note: "x, y=z", lead: " lead", said: '"no", he said', lines: "a\nb\\" };
    const { one, visitor } = await open({ metadata, models: ["a,b", "c d"] });
    const form = formWith("models", await (await visitor.get(path)).text());
    form.set("metadata", `${form.get("metadata")}, more = a b=c`);
    form.set("models", `${form.get("models")} e,f`);
    await visitor.post(path, form);
    expect(one.database.rows.keys[0]).toMatchObject({
      metadata: { ...metadata, more: "a b=c" },
      models: ["a,b", "c d", "e", "f"],
    });
  });

  test("shows when exactly it ends, also where no date can", async () => {
    const { visitor } = await open({ expiresMs: Date.UTC(2027, 0, 5, 13, 30) });
    const page = await (await visitor.get(path)).text();
    expect(page).toContain('name="expires" value="2027-01-05"');
    expect(text(page)).toContain("ends 5 Jan 2027 13:30");
    const { visitor: other } = await open({ expiresMs: 8_640_000_000_000_000 });
    const late = await (await other.get(path)).text();
    expect(late).toContain('name="expires" value=""');
    expect(text(late)).toContain("ends 13 Sep 275760 00:00");
  });

  test("leaves what another tab changed meanwhile, also when it was refused in between", async () => {
    const { one, visitor } = await open({ models: ["fast"], metadata: { owner: "me" } });
    const stale = formWith("models", await (await visitor.get(path)).text());
    await visitor.post(path, { ...Object.fromEntries(stale), name: "renamed", metadata: "owner=you" });
    stale.set("models", "slow");
    stale.set("expires", "2001-01-01");
    const refused = await visitor.post(path, stale);
    const again = formWith("models", await refused.text());
    expect([refused.status, again.get("models"), again.get("name")]).toEqual([422, "slow", "first"]);
    again.set("expires", "");
    await visitor.post(path, again);
    expect(one.database.rows.keys[0]).toMatchObject({
      name: "renamed",
      models: ["slow"],
      metadata: { owner: "you" },
      expiresMs: null,
    });
  });

  test("is whole after another of its forms was refused", async () => {
    const { visitor } = await open({ models: ["fast"] });
    const refused = await visitor.post(`${path}/rotation`, { graceSeconds: "-1" });
    expect(refused.status).toBe(422);
    expect(formWith("models", await refused.text()).get("models")).toBe("fast");
  });

  test("is disabled and enabled, rotated with the secret on that one answer, and revoked", async () => {
    const { visitor } = await open();
    await visitor.post(`${path}/state`, { disabled: "true" });
    expect(text(await (await visitor.get(path)).text())).toMatch(/disabled .*Enable this key/);
    await visitor.post(`${path}/state`, { disabled: "false" });
    expect(text(await (await visitor.get(path)).text())).toMatch(/active .*Disable this key/);
    const rotated = await visitor.post(`${path}/rotation`, { graceSeconds: "3600" });
    expect(rotated.status).toBe(201);
    expect(await rotated.text()).toContain(newSecret);
    expect(await (await visitor.get(path)).text()).not.toContain(newSecret);
    await visitor.post(`${path}/revocation`, {});
    const page = await (await visitor.get(path)).text();
    expect(text(page)).toContain("revoked");
    expect(page).not.toContain('<form method="post" action="/dashboard/keys/');
  });

  test("has no form for what the config file declares", async () => {
    const { visitor } = await open({ declaredAs: "ci" });
    const page = await (await visitor.get(path)).text();
    expect(text(page)).toContain("declares this key as keys.ci");
    expect(page).not.toContain('action="/dashboard/keys/');
    expect(await (await visitor.get("/dashboard/keys")).text()).not.toContain("/revocation");
  });

  test("is none for a key that is not there", async () => {
    const { visitor } = await open();
    expect((await visitor.get("/dashboard/keys/k2")).status).toBe(404);
    expect((await visitor.post("/dashboard/keys/k2/rotation", {})).status).toBe(404);
  });
});
