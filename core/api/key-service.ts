import type { Static } from "@sinclair/typebox";
import { GatewayError, missing } from "../chat/error.ts";
import { isCidr } from "../config/network.ts";
import { makeKey } from "../identity/key-format.ts";
import type { Keys } from "../identity/keys.ts";
import type { FromFile, TenantDatabase } from "../identity/tenancy.ts";
import { defaultAccount } from "../plugin/default-account.ts";
import type { NewBudget } from "../storage/budget.ts";
import type { KeyChange, KeyRow, StoredSecret } from "../storage/key.ts";
import { KeyChangeSchema, NewKeySchema, RotationSchema } from "./key-schemas.ts";
import { nanoOf } from "./money.ts";
import { checked, notEnforced } from "./route.ts";

export interface KeyServiceDependencies {
  readonly database: TenantDatabase;
  readonly keys: Keys;
  readonly now: () => number;
  readonly newId: () => string;
  /** The account of a key for which none is named; default `default`. */
  readonly home?: string;
  /** Absent: nothing. */
  readonly fromFile?: FromFile;
  /** Whether something keeps limits and counts money; else setting one is a conflict. */
  readonly enforces: { readonly limits: boolean; readonly budgets: boolean };
}

type NewKeyInput = Static<typeof NewKeySchema>;

/** What keys go through, whoever asks: the API, the dashboard, the config file, the first start. */
export interface KeyService {
  /** `secret`: the only moment it exists outside the client's hands. */
  create(input: NewKeyInput): Promise<{ readonly row: KeyRow; readonly secret: string }>;
  /** A key that was made elsewhere, by its SHA-256: there is no secret to show. */
  adopt(input: NewKeyInput, sha256: string): Promise<KeyRow>;
  /** `null`: no such key. Throws `conflict` for one that the config file declares; so do the others. */
  change(id: string, input: unknown): Promise<KeyRow | null>;
  /** A new secret for the same key: its budgets, limits and records go on. */
  rotate(id: string, input: unknown): Promise<{ readonly row: KeyRow; readonly secret: string } | null>;
  /** `null`: no such key. The next call with it is refused. */
  revoke(id: string): Promise<KeyRow | null>;
}

export function keyService(dependencies: KeyServiceDependencies): KeyService {
  const { database, keys, now, newId, home = defaultAccount, enforces } = dependencies;

  async function changeable(id: string): Promise<KeyRow | null> {
    const row = await database.keys.get(id);
    if (row && row.declaredAs !== null)
      throw new GatewayError(
        "conflict",
        `the config file declares this key as keys.${row.declaredAs}: change it there`,
      );
    return row;
  }

  function checkTerms({ limits, cidrs, expiresAt }: Static<typeof KeyChangeSchema>): void {
    if (limits && Object.keys(limits).length > 0 && !enforces.limits) throw notEnforced("limit", "rate-limit");
    for (const cidr of cidrs ?? [])
      if (!isCidr(cidr)) throw new GatewayError("invalid-request", "cidrs: not a network", { param: "cidrs" });
    if (expiresAt !== undefined && expiresAt !== null && expiresAt <= now())
      throw new GatewayError("invalid-request", "expiresAt: already past", { param: "expiresAt" });
  }

  return {
    async create(given) {
      const { stored, secret } = made(keys);
      return { row: await keep(given, stored), secret };
    },
    adopt: (given, sha256) =>
      keep(given, {
        digest: keys.digestOfHash(sha256),
        prefix: given.prefix ?? "imported",
        last4: given.last4 ?? "????",
        imported: true,
      }),
    async change(id, given) {
      const input = checked(KeyChangeSchema, given);
      if (!(await changeable(id))) return null;
      checkTerms(input);
      const row = await database.keys.change(id, changeOf(input, now()));
      keys.forget(id);
      return row;
    },
    async rotate(id, given) {
      const { graceSeconds } = checked(RotationSchema, given);
      if (!(await changeable(id))) return null;
      const { stored, secret } = made(keys);
      const atMs = now();
      const row = await database.keys.rotate(id, stored, atMs, atMs + graceSeconds * 1_000);
      keys.forget(id);
      return row && { row, secret };
    },
    async revoke(id) {
      if (!(await changeable(id))) return null;
      const row = await database.keys.revoke(id, now());
      keys.forget(id);
      return row;
    },
  };

  async function keep(given: NewKeyInput, stored: StoredSecret): Promise<KeyRow> {
    // Here, and not only at the API: the dashboard's form goes through the same rules.
    const input = checked(NewKeySchema, given);
    if (input.accountId !== undefined && !(await database.accounts.find(input.accountId))) missing();
    if (input.budget && !enforces.budgets) throw notEnforced("budget", "billing");
    checkTerms(input);
    const id = newId();
    return database.keys.create(
      {
        ...stored,
        id,
        accountId: input.accountId ?? home,
        name: input.name,
        models: input.models ?? "all",
        operations: input.operations ?? "all",
        routes: input.routes ?? "all",
        limits: input.limits ?? {},
        cidrs: input.cidrs ?? [],
        metadata: input.metadata ?? {},
        expiresMs: input.expiresAt ?? null,
        declaredAs: null,
        createdMs: now(),
      },
      input.budget ? budgetOf(id, input.budget) : null,
      input.content,
    );
  }

  function budgetOf(keyId: string, { usd, window }: NonNullable<NewKeyInput["budget"]>): NewBudget {
    const limitNano = nanoOf(usd, "budget.usd");
    return { id: newId(), scope: { kind: "key", id: keyId }, window, limitNano, createdMs: now() };
  }
}

function made(keys: Keys): { readonly stored: StoredSecret; readonly secret: string } {
  const { key, prefix, last4 } = makeKey();
  return { stored: { digest: keys.digest(key), prefix, last4, imported: false }, secret: key };
}

const changeOf = (
  { expiresAt, disabled, models, operations, routes, limits, ...same }: Static<typeof KeyChangeSchema>,
  nowMs: number,
): KeyChange => ({
  ...same,
  ...(models !== undefined && { models: models ?? "all" }),
  ...(operations !== undefined && { operations: operations ?? "all" }),
  ...(routes !== undefined && { routes: routes ?? "all" }),
  ...(limits !== undefined && { limits: limits ?? {} }),
  ...(expiresAt !== undefined && { expiresMs: expiresAt }),
  ...(disabled !== undefined && { disabledMs: disabled ? nowMs : null }),
});
