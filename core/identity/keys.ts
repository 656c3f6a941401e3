import { Buffer } from "node:buffer";
import { createHmac, hash } from "node:crypto";
import { GatewayError } from "../chat/error.ts";
import type { KeyLookup, Principal } from "../plugin/plugin.ts";
import { networkList } from "../runtime/addresses.ts";
import { sha256 } from "../runtime/digest.ts";
import type { FoundKey, KeyRepository, KeyRow } from "../storage/key.ts";
import { inspectKey } from "./key-format.ts";

/** Keys that were used lately, so that a call costs one hash and no query. */
const maxCached = 100_000;

export interface Keys extends KeyLookup {
  /** What is stored of a key. */
  digest(key: string): string;
  /** What is stored of a key that was made elsewhere, of which only the SHA-256 is known: hex, lower case. */
  digestOfHash(sha256: string): string;
  /** What may be stored of a credential that is a key's; none: it cannot be one. */
  digestsIn(credential: string): readonly string[];
  /** Who holds the secret with this digest, and may call with it now, from there; read anew. `null`: nobody. */
  holder(stored: string, request: Request): Promise<KeyHolder | null>;
  /** Call it after every change of a key: the next call reads it again. */
  forget(id: string): void;
}

/** A secret as it is stored, and who calls with it. */
export interface KeyHolder {
  readonly principal: Principal;
  readonly secret: FoundKey;
}

export interface KeysDependencies {
  readonly repository: KeyRepository;
  /** Keeps the digests useless to whoever reads the database alone. */
  readonly pepper: Buffer;
  readonly now: () => number;
  /** The peer's address; `null` where it cannot be known. */
  readonly addressOf: (request: Request) => string | null;
}

export function keysOf({ repository, pepper, now, addressOf }: KeysDependencies): Keys {
  /** By a digest of the key that needs no pepper, as it never leaves the memory: it costs a tenth of the HMAC. */
  const cache = new Map<string, Known>();
  /** Ids of keys to their places in the cache: one for each secret that works. */
  const places = new Map<string, readonly string[]>();
  /** Counts the changes, so that a row read before one is not remembered after it. */
  let changes = 0;
  const digest = (key: string) => createHmac("sha256", pepper).update(key).digest("hex");
  // Apart from the digests of whole keys: knowing a hash must not make it a key.
  const digestOfHash = (hex: string) => digest(`sha256:${hex}`);

  function remember(place: string, known: Known): Known {
    if (cache.size >= maxCached) {
      cache.clear();
      places.clear();
    }
    const { id } = known.row;
    cache.set(place, known);
    places.set(id, [...(places.get(id) ?? []).filter((each) => each !== place), place]);
    return known;
  }

  return {
    digest,
    digestOfHash,
    forget(id) {
      changes += 1;
      for (const place of places.get(id) ?? []) cache.delete(place);
      places.delete(id);
    },
    digestsIn(credential) {
      const looks = inspectKey(credential);
      if (looks === "damaged") return [];
      const ofHash = repository.hasImported() ? [digestOfHash(hash("sha256", credential))] : [];
      return looks === "not-ours" ? ofHash : [digest(credential), ...ofHash];
    },
    async holder(stored, request) {
      const secret = await repository.findByDigest(stored);
      if (!secret || !mayCall(secret, request)) return null;
      return { secret, principal: principalOf(secret.row) };
    },
    find(credential, request) {
      const place = sha256(credential);
      const known = cache.get(place);
      // No promise for a key that is known: this is on the path of every call.
      if (known) return admitted(known, request);
      const looks = inspectKey(credential);
      if (looks === "not-ours") return repository.hasImported() ? readImported(place, request) : null;
      if (looks === "damaged") throw invalid();
      return read(credential, place, request);
    },
  };

  async function read(credential: string, place: string, request: Request): Promise<Principal> {
    const known = await readKnown(digest(credential), place);
    if (known) return admitted(known, request);
    // Another LLM Proxy may have made it, and its hash come from there.
    const imported = repository.hasImported() ? await readImported(place, request) : null;
    if (!imported) throw invalid();
    return imported;
  }

  /** `null`: none that was imported. */
  async function readImported(place: string, request: Request): Promise<Principal | null> {
    const known = await readKnown(digestOfHash(Buffer.from(place, "base64").toString("hex")), place);
    return known && admitted(known, request);
  }

  async function readKnown(stored: string, place: string): Promise<Known | null> {
    const changesBefore = changes;
    const found = await repository.findByDigest(stored);
    if (!found) return null;
    const known = { ...found, principal: principalOf(found.row) };
    return changes === changesBefore ? remember(place, known) : known;
  }

  function admitted(known: Known, request: Request): Principal {
    if (!mayCall(known, request)) throw invalid();
    return known.principal;
  }

  function mayCall(found: FoundKey, request: Request): boolean {
    const { cidrs } = found.row;
    return !isOver(found, now) && (cidrs.length === 0 || isWithin(cidrs, addressOf(request)));
  }
}

interface Known extends FoundKey {
  readonly principal: Principal;
}

/** Whether nobody may call with it any more, or for now, wherever they are. */
export function isOver({ row, untilMs }: FoundKey, now: () => number): boolean {
  if (row.revokedMs !== null || row.disabledMs !== null) return true;
  const endMs = Math.min(row.expiresMs ?? Infinity, untilMs ?? Infinity);
  return endMs < Infinity && endMs <= now();
}

/** Unknown, disabled, expired, revoked, from elsewhere: all alike, so that nothing can be learned by trying. */
const invalid = () => new GatewayError("unauthenticated", "invalid API key");

export const principalOf = (row: KeyRow): Principal => ({
  name: row.name,
  keyId: row.id,
  accountId: row.accountId,
  models: row.models,
  ...(row.operations !== "all" && { operations: row.operations }),
  ...(row.routes !== "all" && { routes: row.routes }),
  limits: row.limits,
});

function isWithin(cidrs: readonly string[], address: string | null): boolean {
  if (address === null) return false;
  // A dual-stack socket reports an IPv4 peer as ::ffff:a.b.c.d.
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  return networkList(cidrs)(plain);
}
