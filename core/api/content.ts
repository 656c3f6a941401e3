import { missing } from "../chat/error.ts";
import type { Actor } from "../identity/policy.ts";
import { reaches } from "../identity/reach.ts";
import type { ContentLog, KeptContent } from "../pipeline/content/log.ts";
import { readingOf } from "../storage/content.ts";
import type { Database } from "../storage/database.ts";
import type { ApiInput, ApiRoute } from "./route.ts";

/** What of it the API and the pages ask. */
export type ContentAccess = Pick<ContentLog, "read" | "remove">;

export const contentRoutes = (
  content: ContentAccess,
  { accounts, keys, audit }: Pick<Database, "accounts" | "keys" | "audit">,
): readonly ApiRoute[] => {
  /** One body for what is not there and for what is somebody else's. */
  async function reached(actor: Actor, accountId: string): Promise<void> {
    if (!(await reaches(actor, accountId, accounts))) missing();
  }
  async function readBy({ actor, params }: ApiInput): Promise<KeptContent> {
    const kept = (await content.read(params.id ?? "")) ?? missing();
    await reached(actor, kept.accountId);
    return kept;
  }
  const removal = (
    path: string,
    summary: string,
    which: (input: ApiInput) => Promise<Parameters<ContentLog["remove"]>[0]>,
  ): ApiRoute => ({
    method: "DELETE",
    path,
    permission: "content.write",
    summary,
    answer: async (input) => ({ removed: await content.remove(await which(input)) }),
  });
  return [
    {
      method: "GET",
      path: "/api/calls/:id/content",
      permission: "content.read",
      summary: "Prompt and answer of a call, where they are kept: redacted, without media, and cut where too long.",
      async answer(input) {
        const kept = await readBy(input);
        await audit.add(readingOf(kept));
        return contentAnswer(kept);
      },
    },
    removal("/api/calls/:id/content", "Remove what is kept of a call's prompt and answer.", async (input) => ({
      callId: (await readBy(input)).callId,
    })),
    removal("/api/keys/:id/content", "Remove all that is kept of a key's prompts and answers.", async (input) => {
      const { id, accountId } = (await keys.get(input.params.id ?? "")) ?? missing();
      await reached(input.actor, accountId);
      return { owner: { kind: "key", id } };
    }),
    removal(
      "/api/accounts/:id/content",
      "Remove all that is kept of the prompts and answers of an account and of those below it now.",
      async (input) => {
        const { id } = (await accounts.find(input.params.id ?? "")) ?? missing();
        await reached(input.actor, id);
        return { owner: { kind: "account", id } };
      },
    ),
  ];
};

const contentAnswer = ({ createdMs, expiresMs, ...content }: KeptContent) => ({
  ...content,
  createdAt: createdMs,
  expiresAt: expiresMs,
});
