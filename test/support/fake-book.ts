import { priceService, type PriceService } from "../../core/api/price-service.ts";
import { GatewayError } from "../../core/chat/error.ts";
import { modelTable } from "../../core/pipeline/models.ts";
import type { Provider } from "../../core/plugin/plugin.ts";
import type { BookEntryRow, BookRepository, UnpricedRow } from "../../core/storage/book.ts";
import { makeLedger } from "../plugins/billing/ledger-fixture.ts";

/** Entries in memory, with the rules of the real repository. */
function fakeBook(now: () => number, unpriced: readonly UnpricedRow[] = []): BookRepository {
  let entries: readonly BookEntryRow[] = [];
  return {
    entries: () => entries,
    add(entry) {
      if (entry.effectiveMs !== null && entry.effectiveMs <= now())
        throw new GatewayError("invalid-request", "effectiveFrom: must be after now");
      const row: BookEntryRow = { ...entry, effectiveMs: entry.effectiveMs ?? now(), createdMs: now() };
      entries = [...entries, row];
      return row;
    },
    remove(id) {
      const entry = entries.find((one) => one.id === id);
      if (!entry) return "unknown";
      if (entry.effectiveMs <= now()) return "effective";
      entries = entries.filter((one) => one.id !== id);
      return "removed";
    },
    countUnpriced: () => {},
    unpriced: () => unpriced,
  };
}

/** The prices that pages show: the bundled book, `openai` and `lab` as providers. */
export function fakePrices(
  now: () => number,
  unpriced: readonly UnpricedRow[] = [],
  accounts: Parameters<typeof priceService>[0]["database"]["accounts"] = { find: () => null },
): PriceService {
  const slot = makeLedger([
    { target: "lab/*", input: "0.5", output: "1", contextWindow: 8_192 },
    {
      target: "openai/draw",
      input: "0",
      output: "0",
      image: "0.04",
      character: "15",
      most: { image: 1, character: 4_000 },
      contextTiers: [{ above: 1_000, image: "0.08" }],
    },
  ]);
  const provider: Provider = {
    chat: () => {
      throw new Error("no calls in these tests");
    },
  };
  const providers = new Map([
    ["openai", provider],
    ["lab", provider],
    ["nowhere", { ...provider, models: ["left-out"] }],
  ]);
  let ids = 0;
  return priceService({
    database: { book: fakeBook(now, unpriced), accounts },
    billing: { name: "ledger", slot },
    providers,
    models: modelTable({}, providers, slot),
    logger: { error: () => {} },
    now,
    newId: () => `entry-${(ids += 1)}`,
  });
}
