import { expect, test } from "bun:test";
import { startGateway } from "../support/process.ts";

/** An empty secret protects nothing: whoever knows that it is empty could sign for it. It stops the start, or is as if unset. */
const blanks = ["", "   ", "${NOT_SET_ANYWHERE:-}"];

test.each([
  ...blanks.map((secret) => ["a secret that issuer and proxy share", jwt(secret), {}, "secret"] as const),
  ...blanks.map((secret) => ["the secret of a webhook", webhook(secret), {}, "secret"] as const),
  ["a secret from an environment without it", jwt("${NOT_SET_ANYWHERE}"), {}, "NOT_SET_ANYWHERE"],
  ["the master secret", "", { LLM_PROXY_SECRET: "   " }, "LLM_PROXY_SECRET"],
  ["the admin token", "", { LLM_PROXY_ADMIN_TOKEN: " \t " }, "LLM_PROXY_ADMIN_TOKEN"],
] as const)("%s: %j %j does not start, and says which", async (_, config, env, named) => {
  const failed = await startGateway({ config: `provider: { echo: {} }\n${config}`, env }).then(
    async (gateway) => {
      await gateway.dispose();
      return "it started";
    },
    (error: unknown) => String(error),
  );
  expect(failed).toContain("the process ended at start");
  expect(failed).toContain(named);
});

test("an empty admin token, or an empty master secret, is as none: one is made, and the empty one opens nothing", async () => {
  const gateway = await startGateway({ env: { LLM_PROXY_ADMIN_TOKEN: "", LLM_PROXY_SECRET: "" } });
  try {
    for (const authorization of ["", "Bearer", "Bearer ", "Bearer  ", 'Bearer ""', "Bearer undefined", "Bearer null"])
      for (const path of ["/api/keys", "/metrics", "/openapi.json"])
        expect((await gateway.get(path, { authorization }))?.status).toBe(401);
    expect((await gateway.get("/dashboard", { cookie: "llmp=; __Host-llmp=" }))?.status).not.toBe(200);
    const login = await fetch(`${gateway.url}/dashboard/login`, {
      method: "POST",
      redirect: "manual",
      body: new URLSearchParams({ token: "" }),
    });
    expect(login.headers.get("set-cookie")).toBeNull();
  } finally {
    await gateway.dispose();
  }
});

test.each([
  ["two words", true],
  ["clé-secrète", true],
  ["one-word\n", false],
])("an admin token of %j is told at the start where no header can carry it: %j", async (token, isTold) => {
  const gateway = await startGateway({ env: { LLM_PROXY_ADMIN_TOKEN: token } });
  try {
    expect(gateway.log().includes("LLM_PROXY_ADMIN_TOKEN opens the dashboard alone")).toBe(isTold);
  } finally {
    await gateway.dispose();
  }
});

function jwt(secret: string): string {
  return `auth: { staff: { use: jwt, issuer: "https://login.example.com", audience: llm-proxy, secret: "${secret}" } }\n`;
}

function webhook(secret: string): string {
  return `observer: { meter: { use: webhook, url: "https://meter.example.com/", secret: "${secret}" } }\n`;
}
