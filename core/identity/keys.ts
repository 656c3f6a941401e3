import type { Buffer } from "node:buffer";
import { createHmac, hash } from "node:crypto";
import { BlockList, isIPv6 } from "node:net";
import { GatewayError } from "../chat/error.ts";
import type { KeyLookup, Principal } from "../plugin/plugin.ts";
import type { KeyRow, KeyRepository } from "../storage/database.ts";
import { inspectKey } from "./key-format.ts";

/** Keys that were used lately, so that a call costs one hash and no query. */
const maxCached = 100_000;

export interface Keys extends KeyLookup {
  /** What is stored of a key. */
  digest(key: string): string;
  /** Call it after every change of a key: the next call reads it again. */
  forget(id: string): void;
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
  /** Ids of keys to their place in the cache. */
  const places = new Map<string, string>();
  /** Counts the changes, so that a row read before one is not remembered after it. */
  let changes = 0;
  const digest = (key: string) => createHmac("sha256", pepper).update(key).digest("hex");

  function remember(place: string, row: KeyRow): Known {
    if (cache.size >= maxCached) {
      cache.clear();
      places.clear();
    }
    const known = { row, principal: principalOf(row) };
    cache.set(place, known);
    places.set(row.id, place);
    return known;
  }

  return {
    digest,
    forget(id) {
      changes += 1;
      const place = places.get(id);
      if (place !== undefined) cache.delete(place);
      places.delete(id);
    },
    find(credential, request) {
      const place = hash("sha256", credential, "base64");
      const known = cache.get(place);
      // No promise for a key that is known: this is on the path of every call.
      if (known) return admitted(known, request);
      const looks = inspectKey(credential);
      if (looks === "not-ours") return null;
      if (looks === "damaged") throw invalid();
      return read(credential, place, request);
    },
  };

  async function read(credential: string, place: string, request: Request): Promise<Principal> {
    const changesBefore = changes;
    const row = await repository.findByDigest(digest(credential));
    if (!row) throw invalid();
    const known = changes === changesBefore ? remember(place, row) : { row, principal: principalOf(row) };
    return admitted(known, request);
  }

  function admitted({ row, principal }: Known, request: Request): Principal {
    if (row.revokedMs !== null || (row.expiresMs !== null && row.expiresMs <= now())) throw invalid();
    if (row.cidrs.length > 0 && !isWithin(row.cidrs, addressOf(request))) throw invalid();
    return principal;
  }
}

interface Known {
  readonly row: KeyRow;
  readonly principal: Principal;
}

/** Unknown, expired, revoked, from elsewhere: all alike, so that nothing can be learned by trying. */
const invalid = () => new GatewayError("unauthenticated", "invalid API key");

const principalOf = (row: KeyRow): Principal => ({
  name: row.name,
  keyId: row.id,
  accountId: row.accountId,
  models: row.models,
  limits: row.limits,
});

function isWithin(cidrs: readonly string[], address: string | null): boolean {
  if (address === null) return false;
  // A dual-stack socket reports an IPv4 peer as ::ffff:a.b.c.d.
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [net = "", bits = ""] = cidr.split("/");
    list.addSubnet(net, Number(bits), isIPv6(net) ? "ipv6" : "ipv4");
  }
  return list.check(plain, isIPv6(plain) ? "ipv6" : "ipv4");
}
