import type { Finding } from "./aliases.ts";
import type { Config } from "./config.ts";

/** What no schema can say of the issuers that people sign in with. */
export function checkLogin({ server: { login } }: Config): Finding[] {
  return Object.entries(login.oidc).flatMap(([name, { issuer, roles, domains }]) => {
    const path = ["server", "login", "oidc", name];
    const findings: Finding[] = [];
    if (!mayBeTrusted(issuer))
      findings.push({ path: [...path, "issuer"], message: "expected https, or http to this machine itself" });
    for (const [at, { group, role }] of roles.entries()) {
      if (group !== undefined) continue;
      // With an issuer as Google it would be the whole world.
      if (domains.length === 0)
        findings.push({ path: [...path, "roles", at], message: "a role for everybody needs domains" });
      if (role === "owner") findings.push({ path: [...path, "roles", at, "role"], message: "owner needs a group" });
    }
    return findings;
  });
}

/** Whoever can change an answer of the issuer on its way is the issuer. */
function mayBeTrusted(issuer: string): boolean {
  const url = URL.parse(issuer);
  return url !== null && (url.protocol === "https:" || isLoopback(url));
}

/** Plain http is taken of these alone. */
const isLoopback = ({ hostname }: URL): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
