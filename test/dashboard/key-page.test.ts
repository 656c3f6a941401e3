import { describe, expect, test } from "bun:test";
import { keyRow, newSecret, site } from "./site.ts";
import { signedIn } from "./visitor.ts";

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
      ["name", "", "name"],
      ["metadata", "nothing", "pairs as owner=platform"],
      ["expires", "2001-01-01", "this day is over"],
      ["content", "maybe", "kept or not"],
      ["operations", "everything", "operations"],
    ] as const) {
      const refused = await visitor.post(path, { name: "third", [field]: value });
      expect(refused.status).toBe(422);
      const page = await refused.text();
      expect(text(page)).toContain(says);
      if (field === "metadata") expect(page).toContain('name="metadata" value="nothing"');
    }
    expect(one.database.rows.keys[0]?.name).toBe("second");
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
