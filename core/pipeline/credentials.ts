import { patience, type Verdict } from "./breaker.ts";
import { counted, type FailureRules, type Failures, noFailures } from "./failures.ts";
import type { Attempt, Provider, UpstreamProvider, UpstreamRequest } from "../plugin/plugin.ts";

/** A stored key of an upstream account, opened, with the provider that sends it. */
export interface Credential {
  readonly id: string;
  readonly slot: UpstreamProvider;
  readonly weight: number;
}
/** How one has done since it was put into use. */
export interface CredentialUse {
  requests: number;
  /** Not chosen before then, as long as there is another. */
  restsUntilMs: number;
  /** It has rested: one request at a time may show that it is well again. */
  isDoubted: boolean;
  /** Such a request is out, and is waited for until then. */
  probedUntilMs: number;
  failures: Failures | null;
  /** Status of the answer that sent it to its latest rest; `null`: there was none, or it failed too often. */
  refusedWith: number | null;
}

/** Which of its stored keys a provider uses. */
export interface CredentialPool {
  /** As plugins see it: the same provider, with whichever key is due. */
  readonly provider: UpstreamProvider;
  /** From the next request on. None: the file's own key. */
  use(credentials: readonly Credential[]): void;
  /** `null`: not in use. */
  useOf(id: string): Readonly<CredentialUse> | null;
  /** What its keys have done so far, for the pool that takes its place: rests are the keys' own, whoever sends them. */
  uses(): ReadonlyMap<string, CredentialUse>;
}

export interface PoolDependencies {
  readonly slot: UpstreamProvider;
  /** Of the pool before, by id. */
  readonly uses?: ReadonlyMap<string, CredentialUse>;
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** When one that fails is left to rest, read each time. */
  readonly rules: () => FailureRules;
  /** `status` `null`: it was not refused, but failed too often. */
  readonly onRest: (id: string, status: number | null, ms: number) => void;
}

const defaultRestMs = 30_000;
/** A vendor may ask for a day; a key that it takes again sooner should be found. */
const maxRestMs = 600_000;
/** A key that was refused may have been revoked, or has no rights to one model: it is asked again now and then. */
const refusedRestMs = 300_000;

export function credentialPool({ slot, uses, now, random, rules, onRest }: PoolDependencies): CredentialPool {
  let all: readonly Kept[] = [];
  let inherited = uses;
  /** None rests, and none is doubted: that spares the calls the question. */
  let isCalm = uses === undefined;

  function chosen(): Kept | null {
    const [first] = all;
    if (first === undefined || all.length === 1) return first ?? null;
    if (isCalm) return weighted(all, random());
    isCalm = all.every(({ use }) => !use.isDoubted);
    const nowMs = now();
    const awake = all.filter(({ use }) => Math.max(use.restsUntilMs, use.probedUntilMs) <= nowMs);
    const due = weighted(awake, random());
    if (due?.use.isDoubted) due.use.probedUntilMs = nowMs + patience * rules().probeMs;
    if (due) return due;
    return all.reduce((soonest, one) => (one.use.restsUntilMs < soonest.use.restsUntilMs ? one : soonest), first);
  }

  function rest({ id, use }: Kept, status: number | null, ms: number): void {
    use.restsUntilMs = now() + ms;
    use.probedUntilMs = 0;
    use.isDoubted = true;
    use.failures = null;
    use.refusedWith = status;
    isCalm = false;
    onRest(id, status, ms);
  }

  const key: Key = {
    refused(kept, status, retryAfterMs) {
      const ms = restOf(status, retryAfterMs);
      if (ms === null) return false;
      rest(kept, status, ms);
      return all.some(({ use }) => Math.max(use.restsUntilMs, use.probedUntilMs) <= now());
    },
    ended(kept, verdict) {
      const { use } = kept;
      const nowMs = now();
      // What was sent before it went to rest tells of the time before.
      if (use.restsUntilMs > nowMs) return;
      use.probedUntilMs = 0;
      if (verdict === "unknown") return;
      const hasFailed = verdict === "failed";
      if (!hasFailed) use.isDoubted = false;
      if (!hasFailed && use.failures === null) return;
      const ofTarget = rules();
      if (!ofTarget.enabled || all.length === 1) return;
      use.failures ??= noFailures(nowMs);
      const found = counted(use.failures, hasFailed, sooner(ofTarget), nowMs);
      if (found === "none") use.failures = null;
      if (found === "too many" || (hasFailed && use.isDoubted)) rest(kept, null, ofTarget.probeMs);
    },
  };

  function request(attempt: Attempt): UpstreamRequest | Promise<UpstreamRequest> {
    const kept = chosen();
    if (kept === null) return slot.request(attempt);
    kept.use.requests += 1;
    const made = kept.slot.request(attempt);
    return made instanceof Promise ? made.then(kept.keyed) : kept.keyed(made);
  }

  return {
    // Whatever else the plugin says of itself stays its own.
    provider: Object.create(slot, { request: { value: request, enumerable: true } }),
    use(credentials) {
      const before = new Map(all.map((kept) => [kept.id, kept]));
      all = credentials.map((credential) => {
        const old = before.get(credential.id);
        // Another secret has done nothing yet.
        const known = old?.slot === credential.slot ? old.use : inherited?.get(credential.id);
        const use = known ?? {
          requests: 0,
          restsUntilMs: 0,
          isDoubted: false,
          probedUntilMs: 0,
          failures: null,
          refusedWith: null,
        };
        const kept: Kept = { ...credential, use, keyed: (made) => new KeyedRequest(made, kept, key) };
        return kept;
      });
      inherited = undefined;
    },
    uses: () => new Map(all.map(({ id, use }) => [id, use])),
    useOf: (id) => all.find((kept) => kept.id === id)?.use ?? null,
  };
}

/** What the pool is told of a key. */
interface Key {
  refused(kept: Kept, status: number, retryAfterMs: number | null): boolean;
  ended(kept: Kept, verdict: Verdict): void;
}

/** A request that carries a stored key: a refusal of it is the key's. */
export class KeyedRequest implements UpstreamRequest {
  readonly url: string;
  readonly headers: UpstreamRequest["headers"];
  readonly body: string;
  readonly #kept: Kept;
  readonly #key: Key;

  constructor({ url, headers, body }: UpstreamRequest, kept: Kept, key: Key) {
    this.url = url;
    this.headers = headers;
    this.body = body;
    this.#kept = kept;
    this.#key = key;
  }

  /**
   * Tells of a status that no answer comes under. `retryAfterMs`: what the upstream asked for. `true`: it was the key that
   * was refused, and another one may do better.
   */
  refused(status: number, retryAfterMs: number | null): boolean {
    return this.#key.refused(this.#kept, status, retryAfterMs);
  }

  /** How the attempt went that it was sent with. */
  ended(verdict: Verdict): void {
    this.#key.ended(this.#kept, verdict);
  }
}

export const isUpstream = (slot: Provider): slot is UpstreamProvider => !("chat" in slot);

interface Kept extends Credential {
  readonly use: CredentialUse;
  readonly keyed: (made: UpstreamRequest) => KeyedRequest;
}

/** A key is given up at half of what gives up its target: else one bad key would take the target away from all others. */
const sooner = ({ consecutive, minCalls, ...rules }: FailureRules): FailureRules => ({
  ...rules,
  consecutive: Math.ceil(consecutive / 2),
  minCalls: Math.ceil(minCalls / 2),
});

/** `null`: says nothing of the key. */
function restOf(status: number, retryAfterMs: number | null): number | null {
  if (status === 401 || status === 403) return refusedRestMs;
  if (status !== 429) return null;
  return Math.min(retryAfterMs ?? defaultRestMs, maxRestMs);
}

function weighted(among: readonly Kept[], point: number): Kept | null {
  let left = point * among.reduce((sum, { weight }) => sum + weight, 0);
  for (const kept of among) {
    left -= kept.weight;
    if (left < 0) return kept;
  }
  return among.at(-1) ?? null;
}
