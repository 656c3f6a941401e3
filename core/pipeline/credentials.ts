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
  /** Status of the answer that sent it to rest; `null`: it never was. */
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
  readonly onRest: (id: string, status: number, ms: number) => void;
}

const defaultRestMs = 30_000;
/** A vendor may ask for a day; a key that it takes again sooner should be found. */
const maxRestMs = 600_000;
/** A key that was refused may have been revoked, or has no rights to one model: it is asked again now and then. */
const refusedRestMs = 300_000;

export function credentialPool({ slot, uses, now, random, onRest }: PoolDependencies): CredentialPool {
  let all: readonly Kept[] = [];
  let inherited = uses;
  /** Until then one of them may rest; 0 spares the calls the question. */
  let restUntilMs = Math.max(0, ...[...(uses?.values() ?? [])].map((use) => use.restsUntilMs));

  function chosen(): Kept | null {
    const [first] = all;
    if (first === undefined || all.length === 1) return first ?? null;
    if (restUntilMs === 0) return weighted(all, random());
    const nowMs = now();
    if (restUntilMs <= nowMs) restUntilMs = 0;
    const awake = all.filter(({ use }) => use.restsUntilMs <= nowMs);
    if (awake.length > 0) return weighted(awake, random());
    return all.reduce((soonest, one) => (one.use.restsUntilMs < soonest.use.restsUntilMs ? one : soonest), first);
  }

  const refused = (kept: Kept) => (status: number, retryAfterMs: number | null) => {
    const ms = restOf(status, retryAfterMs);
    if (ms === null) return false;
    kept.use.restsUntilMs = now() + ms;
    kept.use.refusedWith = status;
    restUntilMs = Math.max(restUntilMs, kept.use.restsUntilMs);
    onRest(kept.id, status, ms);
    return all.some(({ use }) => use.restsUntilMs <= now());
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
        const use = known ?? { requests: 0, restsUntilMs: 0, refusedWith: null };
        const kept: Kept = { ...credential, use, keyed: (made) => new KeyedRequest(made, refused(kept)) };
        return kept;
      });
      inherited = undefined;
    },
    uses: () => new Map(all.map(({ id, use }) => [id, use])),
    useOf: (id) => all.find((kept) => kept.id === id)?.use ?? null,
  };
}

/** A request that carries a stored key: a refusal of it is the key's. */
export class KeyedRequest implements UpstreamRequest {
  readonly url: string;
  readonly headers: UpstreamRequest["headers"];
  readonly body: string;
  /**
   * Tells of an answer other than 200. `retryAfterMs`: what the upstream asked for. `true`: it was the key that was
   * refused, and another one may do better.
   */
  readonly refused: (status: number, retryAfterMs: number | null) => boolean;

  constructor({ url, headers, body }: UpstreamRequest, refused: KeyedRequest["refused"]) {
    this.url = url;
    this.headers = headers;
    this.body = body;
    this.refused = refused;
  }
}

export const isUpstream = (slot: Provider): slot is UpstreamProvider => !("chat" in slot);

interface Kept extends Credential {
  readonly use: CredentialUse;
  readonly keyed: (made: UpstreamRequest) => KeyedRequest;
}

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
