import { describe, expect, test } from "bun:test";
import { readConfig } from "../../core/config/read.ts";
import { failureOf } from "./failure.ts";

const fileWith = (entry: string) =>
  `server:\n  login:\n    oidc:\n      staff: { issuer: "https://login.example.com", clientId: a, ${entry} }\n`;

describe("an issuer that people sign in with", () => {
  test("needs its address, its client and its roles; the rest has defaults", async () => {
    const text = fileWith('clientSecret: "${SECRET}", roles: [{ group: a, role: owner }], claims: { groups: roles }');
    const { config } = await readConfig({ path: "llm-proxy.yaml", text, env: { SECRET: "s" } });
    expect(config.server.login).toEqual({
      passwords: true,
      oidc: {
        staff: {
          issuer: "https://login.example.com",
          clientId: "a",
          clientSecret: "s",
          clientAuth: "post",
          scopes: ["openid", "email", "profile"],
          claims: { email: "email", emailVerified: "email_verified", name: "name", groups: "roles" },
          roles: [{ group: "a", role: "owner" }],
          domains: [],
          createPeople: true,
          endSession: true,
        },
      },
    });
  });

  test.each([
    ["roles: []", "roles: expected at least one entry"],
    ["roles: [{ role: member }]", "roles[0]: a role for everybody needs domains"],
    ["domains: [example.com], roles: [{ role: owner }]", "roles[0].role: owner needs a group"],
    ["roles: [{ group: a, role: root }]", "roles[0].role: expected owner, admin, viewer or member"],
    ["role: [{ group: a, role: admin }]", "role: unknown key"],
    ["roles: [{ group: a, role: admin }], scopes: ['a b']", "scopes[0]: expected a scope"],
  ])("is refused with %s", async (entry, message) => {
    const failure = await failureOf(readConfig({ path: "llm-proxy.yaml", text: fileWith(entry), env: {} }));
    expect(failure).toContain(`server.login.oidc.staff.${message}`);
  });

  test.each([
    "http://login.example.com",
    "http://127.0.0.1.example.com",
    "http://10.0.0.1",
    "https://user@example.com",
  ])("is refused at %s: whoever is on the way would be the issuer", async (issuer) => {
    const text = fileWith("roles: [{ group: a, role: admin }]").replace("https://login.example.com", issuer);
    const failure = await failureOf(readConfig({ path: "llm-proxy.yaml", text, env: {} }));
    expect(failure).toContain("server.login.oidc.staff.issuer: expected");
  });
});
