import type { Egress } from "../runtime/egress.ts";
import type { Database } from "../storage/database.ts";
import { fetchOf } from "./fetch.ts";
import type {
  AccountLookup,
  Awaitable,
  Context,
  Contexts,
  KeyLookup,
  Kind,
  Logger,
  NamedModels,
  PriceRow,
} from "./plugin.ts";

/** What the process lends to plugins. */
export interface Host {
  /** The data folder, absolute. */
  readonly dataDir: string;
  /** A logger whose lines name the instance. */
  readonly logger: (instance: { readonly kind: Kind; readonly name: string }) => Logger;
  readonly egress: Pick<Egress, "send" | "pin">;
  readonly now: () => number;
  /** Milliseconds of a clock that never steps, for `rate-limit`. */
  readonly elapsed: () => number;
  /** One object an instance, for `rate-limit` and `observer`: what is counted goes on when a reload changes its options. */
  readonly lasting?: (instance: string) => object;
  /** The keys in the database, for `auth`. */
  readonly keys: (database: Database) => KeyLookup;
  /** Which models have a name, for `observer`. Asked only when all plugins are set up. */
  readonly named: NamedModels;
  /** How long one `setup`, `open` or clean-up may take; default 10 s. */
  readonly deadlineMs?: number;
}

interface Parts {
  readonly kind: Kind;
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly host: Host;
  readonly onDispose: (cleanup: () => Awaitable<void>) => void;
}

export function storageContext({ kind, name, options, host, onDispose }: Parts): Contexts["storage"] {
  return {
    name,
    logger: host.logger({ kind, name }),
    fetch: fetchOf(options, host.egress),
    now: host.now,
    onDispose,
    dataDir: host.dataDir,
  };
}

/** The context of every kind but storage. Each kind sees only what its own type names; the rest is there unseen. */
export function pluginContext(
  parts: Parts,
  database: Database,
  prices: readonly PriceRow[],
  onAccountAsked: (word: string) => void,
): Contexts[Exclude<Kind, "storage">] {
  const { kind, name, options, host, onDispose } = parts;
  const context: Context = {
    name,
    logger: host.logger({ kind, name }),
    storage: database.namespace(`${kind}/${name}`),
    fetch: fetchOf(options, host.egress),
    now: host.now,
    onDispose,
  };
  const accounts: AccountLookup = {
    find: (word) => database.accounts.idOf(word),
    whyNot: (word) => database.accounts.whyNot(word),
  };
  if (kind === "auth") return { ...context, keys: host.keys(database), accounts };
  const lasting = () => host.lasting?.(`${kind}/${name}`) ?? {};
  if (kind === "observer") return { ...context, named: host.named, lasting: lasting() };
  if (kind === "rate-limit") return { ...context, elapsed: host.elapsed, lasting: lasting() };
  if (kind === "billing") {
    const find: AccountLookup["find"] = (word) => {
      onAccountAsked(word);
      return accounts.find(word);
    };
    return { ...context, prices: structuredClone(prices), accounts: { ...accounts, find } };
  }
  return context;
}
