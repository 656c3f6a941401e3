import { asAuthor, authorOf } from "./audit-author.ts";
import type { AccountRepository } from "./database.ts";

/** Of calls that the program makes itself. People of no other account see them, and what holds others does not hold them. */
export const ownAccounts = {
  unpaidShadows: { id: "unpaid-shadows", name: "Unpaid shadows" },
  testCalls: { id: "test-calls", name: "Test calls" },
} as const;

/** Its id. Made when it is needed first, beside all others in the tree; whoever comes second meanwhile finds it. */
export async function ownAccount(
  { id, name }: (typeof ownAccounts)[keyof typeof ownAccounts],
  accounts: Pick<AccountRepository, "find" | "create">,
  now: () => number,
): Promise<string> {
  if (await accounts.find(id)) return id;
  try {
    const row = { id, name, parentId: null, createdMs: now() };
    // Whoever made the call did not ask for it.
    await asAuthor(authorOf("process", "llm-proxy"), () => accounts.create(row));
  } catch (error) {
    if (!(await accounts.find(id))) throw error;
  }
  return id;
}
