import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Mapping, mapped } from "../../core/identity/issuer-claims.ts";

const mapping: Mapping = {
  claims: { email: "email", emailVerified: "email_verified", name: "name", groups: "groups" },
  roles: [
    { group: "owners", role: "owner" },
    { group: "team", role: "viewer", account: "team" },
  ],
  domains: [],
};
const claims = { iss: "https://login.example.com", sub: "1", email: "A@Example.com", email_verified: true };

describe("what an issuer says of somebody", () => {
  test("comes to the first row that fits, in the order of the file and not of the groups", () => {
    const both = { ...claims, groups: ["team", "owners"] };
    expect(mapped(both, mapping)).toMatchObject({ role: "owner", account: null, email: "a@example.com", name: "a" });
    const turned = { ...mapping, roles: mapping.roles.toReversed() };
    expect(mapped(both, turned)).toMatchObject({ role: "viewer", account: "team" });
    expect(mapped({ ...claims, groups: "team" }, mapping)).toMatchObject({ role: "viewer" });
  });

  test("is read from a claim of the whole name first, then from inside others, and from nothing inherited", () => {
    const nested = { ...mapping, claims: { ...mapping.claims, groups: "a.b" } };
    expect(mapped({ ...claims, a: { b: ["owners"] } }, nested)).toMatchObject({ role: "owner" });
    expect(mapped({ ...claims, a: { b: ["owners"] }, "a.b": ["team"] }, nested)).toMatchObject({ role: "viewer" });
    for (const groups of ["constructor", "__proto__.constructor", "a.constructor.name"]) {
      const named = {
        ...mapping,
        claims: { ...mapping.claims, groups },
        roles: [{ group: "Object", role: "owner" }],
      } as const;
      expect(mapped({ ...claims, a: {} }, named)).toHaveProperty("refused");
    }
  });

  test("is not what stands at a place of a list", () => {
    const first = { ...mapping, claims: { ...mapping.claims, groups: "groups.0" } };
    expect(mapped({ ...claims, groups: ["owners"] }, first)).toHaveProperty("refused");
  });

  test("never gives a role that no row of theirs has, whatever the claims hold", () => {
    const anything = fc.dictionary(
      fc.constantFrom("groups", "roles", "role", "email", "name", "domains"),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(anything, (given) => {
        const found = mapped({ ...claims, ...given }, mapping);
        const groups: readonly unknown[] = [given["groups"]].flat();
        if ("refused" in found) return !groups.includes("owners") && !groups.includes("team");
        return groups.includes(found.role === "owner" ? "owners" : "team");
      }),
    );
  });

  test("is no address of somebody else whose letters only look alike: none of another alphabet becomes one of ours", () => {
    // The Kelvin sign and a capital I with a dot: what lower case makes a k of, and an i with a dot of its own.
    for (const [email, kept] of [
      ["\u212Aim@example.com", "\u212Aim@example.com"],
      ["\u0130da@Example.com", "\u0130da@example.com"],
      [" KIM@\u212A.Example ", "kim@\u212A.example"],
    ])
      expect(mapped({ ...claims, email, groups: "owners" }, mapping)).toMatchObject({ email: kept });
    const closed = { ...mapping, domains: ["kim.example"] };
    expect(mapped({ ...claims, email: "a@\u212Aim.example", groups: "owners" }, closed)).toHaveProperty("refused");
    const capital = { ...mapping, domains: ["\u00C4PFEL.example"] };
    const own = { ...claims, email: "a@\u00C4pfel.example", groups: "owners" };
    expect(mapped(own, capital)).toMatchObject({ role: "owner" });
  });

  test("needs a verified address of the domains where there are some", () => {
    const closed: Mapping = { ...mapping, roles: [{ role: "member" }], domains: ["EXAMPLE.com"] };
    expect(mapped(claims, closed)).toMatchObject({ role: "member" });
    for (const changed of [
      { email: "a@example.com.evil.example" },
      { email: "a@evilexample.com" },
      { email: "a@evil.example@example.com" },
      { email: "a@sub.example.com" },
      { email: "a@example.com\u0000" },
      { email: ["a@example.com"] },
      { email_verified: false },
      { email_verified: "TRUE" },
      { email_verified: {} },
    ])
      expect(mapped({ ...claims, ...changed }, closed)).toHaveProperty("refused");
  });
});
