import type { ContentLog, KeptContent } from "../pipeline/content/log.ts";
import type { ContentOwner } from "../storage/content.ts";
import type { Database } from "../storage/database.ts";
import { missing } from "./keys.ts";
import type { ApiRoute } from "./route.ts";

export const contentRoutes = (
  content: Pick<ContentLog, "read" | "remove">,
  { accounts, keys }: Pick<Database, "accounts" | "keys">,
): readonly ApiRoute[] => {
  const removal = (
    path: string,
    summary: string,
    which: (id: string) => Promise<Parameters<ContentLog["remove"]>[0]>,
  ): ApiRoute => ({
    method: "DELETE",
    path,
    permission: "content.write",
    summary,
    query: null,
    body: null,
    status: 200,
    answer: async ({ params }) => ({ removed: await content.remove(await which(params.id ?? "")) }),
  });
  const owned = (kind: ContentOwner["kind"], row: object | null, id: string) =>
    row === null ? missing() : { owner: { kind, id } };
  return [
    {
      method: "GET",
      path: "/api/calls/:id/content",
      permission: "content.read",
      summary: "Prompt and answer of a call, where they are kept: redacted, without media, and cut where too long.",
      query: null,
      body: null,
      status: 200,
      answer: async ({ params }) => contentAnswer((await content.read(params.id ?? "")) ?? missing()),
    },
    removal("/api/calls/:id/content", "Remove what is kept of a call's prompt and answer.", async (callId) =>
      (await content.read(callId)) === null ? missing() : { callId },
    ),
    removal("/api/keys/:id/content", "Remove all that is kept of a key's prompts and answers.", async (id) =>
      owned("key", await keys.get(id), id),
    ),
    removal(
      "/api/accounts/:id/content",
      "Remove all that is kept of the prompts and answers of an account and of those below it now.",
      async (id) => owned("account", await accounts.get(id), id),
    ),
  ];
};

const contentAnswer = ({ createdMs, expiresMs, ...content }: KeptContent) => ({
  ...content,
  createdAt: createdMs,
  expiresAt: expiresMs,
});
