import type { KeyService } from "../api/key-service.ts";
import { hasAdminToken, newAdminToken, newLoginLink } from "../identity/admin.ts";
import type { Models } from "../pipeline/models.ts";
import { asAuthor, authorOf } from "../storage/audit-author.ts";
import type { Database } from "../storage/database.ts";

export interface FirstStart {
  readonly database: Database;
  readonly service: () => Promise<KeyService>;
  readonly models: Models;
  readonly publicUrl: string;
  /** `LLM_PROXY_ADMIN_TOKEN` is set: nothing to make or show. */
  readonly adminTokenGiven: boolean;
  readonly now: () => number;
}

const doneSetting = "first-start";

/**
 * What a new installation needs, made once: the admin token, a link to log in, a first key. Returns the lines to show,
 * the only time these secrets are seen; empty at every later start.
 */
export async function firstStart({
  database,
  service,
  models,
  publicUrl,
  adminTokenGiven,
  now,
}: FirstStart): Promise<readonly string[]> {
  const { settings } = database;
  if ((await settings.get(doneSetting)) !== null) return [];
  const { token, link, row, secret } = await asAuthor(authorOf("process", "first start"), async () => {
    const made = {
      token: adminTokenGiven || (await hasAdminToken(settings)) ? null : await newAdminToken(settings),
      link: await newLoginLink(settings, now()),
      ...(await (await service()).create({ name: "first key" })),
    };
    await settings.set(doneSetting, String(now()));
    return made;
  });

  const everything = { name: row.name, keyId: row.id, accountId: row.accountId, models: "all", limits: {} } as const;
  const listed = models.list(everything);
  const model = listed.find(({ id }) => id === "echo")?.id ?? listed[0]?.id;
  return [
    "",
    "This is shown once:",
    "",
    `  Log in to the dashboard   ${publicUrl}/dashboard/login?token=${link}`,
    ...(token === null ? [] : [`  Admin token               ${token}`]),
    `  First key                 ${secret}`,
    "",
    ...(model === undefined ? namelessHint : tryIt(publicUrl, secret, model)),
    "",
  ];
}

const namelessHint = ["No provider claims a model name: ask for a model as INSTANCE/MODEL, e.g. openai/gpt-5-mini."];

const tryIt = (publicUrl: string, key: string, model: string) => [
  "Try it:",
  "",
  `  curl -N ${publicUrl}/v1/chat/completions \\`,
  `    -H 'authorization: Bearer ${key}' -H 'content-type: application/json' \\`,
  `    -d '{"model":"${model}","stream":true,"messages":[{"role":"user","content":"Hello from the other side of the proxy"}]}'`,
];
