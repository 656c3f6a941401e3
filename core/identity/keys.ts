import type { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { BlockList, isIPv6 } from "node:net";
import { GatewayError } from "../chat/error.ts";
import type { KeyLookup, Principal } from "../plugin/plugin.ts";
import type { KeyRow, KeyRepository } from "../storage/database.ts";
import { inspectKey } from "./key-format.ts";

/** Keys that were used lately, so that a call costs one HMAC and no query. */
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
  const cache = new Map<string, KeyRow>();
  const digests = new Map<string, string>();
  /** Counts the changes, so that a row read before one is not remembered after it. */
  let changes = 0;
  const digest = (key: string) => createHmac("sha256", pepper).update(key).digest("hex");

  function remember(digested: string, row: KeyRow) {
    if (cache.size >= maxCached) {
      cache.clear();
      digests.clear();
    }
    cache.set(digested, row);
    digests.set(row.id, digested);
  }

  return {
    digest,
    forget(id) {
      changes += 1;
      const digested = digests.get(id);
      if (digested !== undefined) cache.delete(digested);
      digests.delete(id);
    },
    find(credential, request) {
      const looks = inspectKey(credential);
      if (looks === "not-ours") return null;
      if (looks === "damaged") throw invalid();
      const digested = digest(credential);
      const cached = cache.get(digested);
      // No promise for a key that is known: this is on the path of every call.
      return cached ? admitted(cached, request) : read(digested, request);
    },
  };

  async function read(digested: string, request: Request): Promise<Principal> {
    const changesBefore = changes;
    const row = await repository.findByDigest(digested);
    if (!row) throw invalid();
    if (changes === changesBefore) remember(digested, row);
    return admitted(row, request);
  }

  function admitted(row: KeyRow, request: Request): Principal {
    if (row.revokedMs !== null || (row.expiresMs !== null && row.expiresMs <= now())) throw invalid();
    if (row.cidrs.length > 0 && !isWithin(row.cidrs, addressOf(request))) throw invalid();
    return principalOf(row);
  }
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
