import type { AccountSummary, UsageGroup } from "../storage/database.ts";
import { type Nano, plusNano } from "../storage/nano.ts";

/** An account where it stands in the tree, with what it and all below it used. */
export interface Branch extends AccountSummary {
  /** 0 for a root. */
  readonly depth: number;
  readonly calls: number;
  readonly chargeNano: Nano;
}

/** Depth first, each level by name. An account whose parent is not among them stands as a root. */
export function treeOf(accounts: readonly AccountSummary[], usage: readonly UsageGroup[]): readonly Branch[] {
  const known = new Set(accounts.map(({ id }) => id));
  const byParent = Map.groupBy(accounts, ({ parentId }) =>
    parentId !== null && known.has(parentId) ? parentId : null,
  );
  const own = new Map(usage.map((sums) => [sums.group.account, sums]));

  const branches = (parentId: string | null, depth: number): Branch[] =>
    (byParent.get(parentId) ?? [])
      .toSorted((left, right) => left.name.localeCompare(right.name, "en"))
      .flatMap((account) => {
        const below = branches(account.id, depth + 1);
        const children = below.filter((branch) => branch.depth === depth + 1);
        const sums = own.get(account.id);
        return [
          {
            ...account,
            depth,
            calls: children.reduce((sum, { calls }) => sum + calls, sums?.calls ?? 0),
            chargeNano: children.reduce((sum, { chargeNano }) => plusNano(sum, chargeNano), sums?.chargeNano ?? 0),
          },
          ...below,
        ];
      });
  return branches(null, 0);
}
