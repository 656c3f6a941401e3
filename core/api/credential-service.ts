import type { Static } from "@sinclair/typebox";
import { GatewayError } from "../chat/error.ts";
import type { BreakerSettings } from "../pipeline/breaker.ts";
import { ofProvider } from "../pipeline/of-provider.ts";
import { type CredentialPool, credentialPool, isUpstream } from "../pipeline/credentials.ts";
import type { Logger, Provider, UpstreamProvider } from "../plugin/plugin.ts";
import { SetupError, type UpstreamAccount } from "../plugin/setup.ts";
import { epochOf } from "../runtime/epoch.ts";
import type { KeyRing } from "../runtime/seal.ts";
import type { CredentialRepository, CredentialRow } from "../storage/credential.ts";
import { CredentialChangeSchema, NewCredentialSchema } from "./credential-schemas.ts";
import { checked } from "./route.ts";

/** A stored key as it is shown: never the key. */
export interface ShownCredential {
  readonly id: string;
  readonly name: string;
  /** `***` and what may be shown of its end. */
  readonly masked: string;
  readonly weight: number;
  readonly enabled: boolean;
  /**
   * `resting`: the upstream refused it, or failed too often with it, and others are used as long as there are some. `locked`: it must be entered again,
   * because the provider's address or the master secret is not that of before. `unused`: no instance of the file takes it.
   */
  readonly state: "active" | "disabled" | "resting" | "locked" | "unused";
  /** Epoch ms; `null`: it does not rest. */
  readonly restsUntilMs: number | null;
  /** Status of the answer that sent it to its latest rest; `null`: there was none since it is in use, or it failed too often. */
  readonly refusedWith: number | null;
  /** Since the start of the process, or since it was changed. */
  readonly requests: number;
  readonly createdMs: number;
  readonly changedMs: number;
}
export interface ShownProvider {
  readonly name: string;
  readonly plugin: string;
  /** Where it is declared. */
  readonly source: "file";
  /** Host and port of its base URL; `null`: it has none. */
  readonly host: string | null;
  /** `null`: it answers canonical calls itself. */
  readonly dialects: readonly string[] | null;
  /** Names that it claims; `null`: what the price book knows of its vendor. */
  readonly models: readonly string[] | null;
  /** The key of the file, masked; `null`: there is none. It is used while no stored key is. */
  readonly fileKey: string | null;
  readonly takesKeys: boolean;
  readonly credentials: readonly ShownCredential[];
}

/** What keys of upstream accounts go through, whoever asks: the API or the dashboard. `null`: no such provider, or key. */
export interface CredentialService {
  providers(): readonly ShownProvider[];
  list(provider: string): readonly ShownCredential[] | null;
  create(provider: string, input: unknown): Promise<ShownCredential | null>;
  /** Another `apiKey` replaces the secret, from the next request on. */
  change(provider: string, id: string, input: unknown): Promise<ShownCredential | null>;
  remove(provider: string, id: string): Promise<boolean>;
}

export interface CredentialServiceDependencies {
  readonly repository: CredentialRepository;
  readonly ring: KeyRing;
  readonly logger: Logger;
  readonly now: () => number;
  /** In ms; never steps: rests are by it. */
  readonly elapsed: () => number;
  readonly newId: () => string;
  readonly random: () => number;
  readonly breaker: BreakerSettings;
}

const maxEach = 100;

/** Providers of a config with the stored keys that they use. */
export interface PreparedProviders {
  /** To call. */
  readonly slots: ReadonlyMap<string, Provider>;
  /** From here on the service is about these. One of the two must be called, and until then no key is changed. */
  readonly adopt: () => void;
  readonly discard: () => void;
}
export interface CredentialParts {
  readonly service: CredentialService;
  /**
   * Opens what is stored for the accounts of a config; keys that were sealed with the master secret of before are sealed
   * anew. An account that is used already goes on as it is, and of another one for the same place its keys' rests stay.
   */
  prepare(accounts: readonly UpstreamAccount[]): Promise<PreparedProviders>;
}
/** What the keys of one config are sent by. */
interface InUse {
  readonly accounts: readonly UpstreamAccount[];
  readonly pools: Map<string, CredentialPool>;
  /** What each stored key is sent by; a key without one cannot be used. */
  readonly opened: Map<string, UpstreamProvider>;
}

export function credentialParts(dependencies: CredentialServiceDependencies): CredentialParts {
  const { repository, ring, logger, now, elapsed, newId, random, breaker } = dependencies;
  const epoch = epochOf(now, elapsed);
  let inUse: InUse = { accounts: [], pools: new Map(), opened: new Map() };
  const accountOf = (provider: string) => inUse.accounts.find(({ name }) => name === provider);
  const rowsOf = (provider: string) => repository.all().filter((row) => row.provider === provider);
  /** Changes of keys, and of what they belong to, one after the other. */
  let turn: Promise<unknown> = Promise.resolve();
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = turn.then(work);
    turn = done.catch(() => {});
    return done;
  }

  async function prepare(accounts: readonly UpstreamAccount[]): Promise<PreparedProviders> {
    const held = Promise.withResolvers<void>();
    const began = Promise.withResolvers<void>();
    void inTurn(() => {
      began.resolve();
      return held.promise;
    });
    await began.promise;
    try {
      const { slots, next } = await made(accounts);
      const adopt = () => {
        inUse = next;
        held.resolve();
      };
      return { slots, adopt, discard: held.resolve };
    } catch (error) {
      held.resolve();
      throw error;
    }
  }

  async function made(accounts: readonly UpstreamAccount[]) {
    const slots = new Map<string, Provider>();
    const next: InUse = { accounts, pools: new Map(), opened: new Map() };
    for (const account of accounts) {
      const { name, slot, withKey } = account;
      slots.set(name, slot);
      if (withKey === null || !isUpstream(slot)) continue;
      const before = accountOf(name);
      const known = inUse.pools.get(name);
      const pool = before === account && known ? known : newPool(name, slot, before && isAt(before, account) && known);
      next.pools.set(name, pool);
      slots.set(name, pool.provider);
      for (const row of rowsOf(name)) {
        const opener = before === account ? inUse.opened.get(row.id) : undefined;
        if (opener) next.opened.set(row.id, opener);
        else await open(row, account, next.opened);
      }
      if (pool !== known) use(name, next);
    }
    return { slots, next };
  }

  function newPool(name: string, slot: UpstreamProvider, before: CredentialPool | false | undefined): CredentialPool {
    const onRest = (credential: string, status: number | null, ms: number) =>
      logger.warn(
        { provider: name, credential, status, ms },
        status === null ? "a stored key fails, and rests" : "a stored key was refused, and rests",
      );
    return credentialPool({
      slot,
      now: elapsed,
      random,
      rules: () => ofProvider(breaker, name),
      onRest,
      ...(before && { uses: before.uses() }),
    });
  }

  async function open(row: CredentialRow, account: UpstreamAccount, opened: InUse["opened"]): Promise<void> {
    const place = placeOf(row, account);
    const found = ring.open(place, row.sealed);
    if (found === null) {
      logger.warn(
        { provider: row.provider, credential: row.id },
        "a stored key must be entered again: it belongs to another address of its provider, or to another master secret",
      );
      return;
    }
    const secret = found.plain.toString("utf8");
    opened.set(row.id, await slotFor(account, secret));
    if (!found.isCurrent) await repository.change(row.id, { sealed: ring.seal(place, secret) });
  }

  function use(provider: string, { pools, opened } = inUse): void {
    const usable = rowsOf(provider).flatMap(({ id, weight, enabled }) => {
      const slot = opened.get(id);
      return enabled && slot ? [{ id, weight, slot }] : [];
    });
    pools.get(provider)?.use(usable);
  }

  function shown(row: CredentialRow): ShownCredential {
    const { id, name, weight, enabled, createdMs, changedMs } = row;
    const { pools, opened } = inUse;
    const pool = pools.get(row.provider);
    const done = pool?.useOf(id) ?? null;
    const restedMs = done?.restsUntilMs ?? 0;
    const rests = restedMs > elapsed();
    const state = !pool ? "unused" : !opened.has(id) ? "locked" : !enabled ? "disabled" : rests ? "resting" : "active";
    return {
      id,
      name,
      masked: `***${row.last4}`,
      weight,
      enabled,
      state,
      restsUntilMs: rests ? epoch(restedMs) : null,
      refusedWith: done?.refusedWith ?? null,
      requests: done?.requests ?? 0,
      createdMs,
      changedMs,
    };
  }

  const changing: CredentialService = {
    providers: () =>
      inUse.accounts.map(({ name, plugin, slot, baseUrl, apiKey }) => ({
        name,
        plugin,
        source: "file",
        host: baseUrl === null ? null : (URL.parse(baseUrl)?.host ?? null),
        dialects: isUpstream(slot) ? slot.dialects : null,
        models: slot.models ?? null,
        fileKey: apiKey === null ? null : `***${last4Of(apiKey)}`,
        takesKeys: inUse.pools.has(name),
        credentials: rowsOf(name).map(shown),
      })),
    list(provider) {
      const rows = rowsOf(provider);
      return accountOf(provider) || rows.length > 0 ? rows.map(shown) : null;
    },
    async create(provider, given) {
      const account = accountOf(provider);
      if (!account) return null;
      const { apiKey, name, weight = 1 } = checked(NewCredentialSchema, given);
      if (!inUse.pools.has(provider))
        throw new GatewayError(
          "conflict",
          `the plugin ${account.plugin} has no option apiKey that a stored key could be`,
        );
      if (rowsOf(provider).length >= maxEach)
        throw new GatewayError("conflict", `there are ${maxEach} keys of this provider`);
      refuseMask(apiKey);
      const slot = await slotFor(account, apiKey);
      const id = newId();
      const row = await repository.create({
        id,
        provider,
        name: name ?? `key ${rowsOf(provider).length + 1}`,
        sealed: ring.seal(placeOf({ id, provider }, account), apiKey),
        last4: last4Of(apiKey),
        weight,
        enabled: true,
        createdMs: now(),
        changedMs: now(),
      });
      inUse.opened.set(id, slot);
      use(provider);
      return shown(row);
    },
    async change(provider, id, given) {
      const row = rowsOf(provider).find((one) => one.id === id);
      if (!row) return null;
      const { apiKey, ...plain }: Static<typeof CredentialChangeSchema> = checked(CredentialChangeSchema, given);
      const account = accountOf(provider);
      if (apiKey !== undefined && !(account && inUse.pools.has(provider)))
        throw new GatewayError("conflict", "no provider of the file takes this key");
      const slot = account && apiKey !== undefined ? await slotFor(account, refuseMask(apiKey)) : null;
      const secret =
        account && apiKey !== undefined
          ? { sealed: ring.seal(placeOf(row, account), apiKey), last4: last4Of(apiKey) }
          : {};
      const changed = await repository.change(id, { ...plain, ...secret, changedMs: now() });
      if (slot) inUse.opened.set(id, slot);
      use(provider);
      return changed && shown(changed);
    },
    async remove(provider, id) {
      if (!rowsOf(provider).some((row) => row.id === id)) return false;
      const removed = await repository.remove(id);
      inUse.opened.delete(id);
      use(provider);
      return removed;
    },
  };
  const service: CredentialService = {
    ...changing,
    create: (provider, input) => inTurn(() => changing.create(provider, input)),
    change: (provider, id, input) => inTurn(() => changing.change(provider, id, input)),
    remove: (provider, id) => inTurn(() => changing.remove(provider, id)),
  };
  return { service, prepare };
}

/** Whether a stored key that opens for one opens for the other. */
const isAt = (one: UpstreamAccount, other: UpstreamAccount): boolean =>
  one.name === other.name && originOf(one) === originOf(other);

const originOf = ({ baseUrl }: UpstreamAccount): string => (baseUrl !== null && URL.parse(baseUrl)?.origin) || "";

/** A key opens only for the row it was entered in, and only to be sent to where it was entered for. */
function placeOf({ id, provider }: Pick<CredentialRow, "id" | "provider">, account: UpstreamAccount): string[] {
  return ["credential", provider, id, originOf(account)];
}

async function slotFor(account: UpstreamAccount, apiKey: string): Promise<UpstreamProvider> {
  try {
    const slot = await account.withKey?.(apiKey);
    if (slot && isUpstream(slot)) return slot;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    throw new GatewayError("invalid-request", "apiKey: the provider cannot send this key", {
      param: "apiKey",
      cause: error,
    });
  }
  throw new GatewayError("conflict", "the provider takes no stored key");
}

/** What a page shows in the place of a key must never become one. */
function refuseMask(apiKey: string): string {
  if (/^[*•.…]+.{0,4}$/.test(apiKey))
    throw new GatewayError("invalid-request", "apiKey: this is the mask of a key, not a key", { param: "apiKey" });
  return apiKey;
}

/** Of a short one four characters would be too much of it. */
const last4Of = (apiKey: string): string => (apiKey.length >= 16 ? apiKey.slice(-4) : "");
