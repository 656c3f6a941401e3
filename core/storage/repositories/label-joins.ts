import { eq } from "drizzle-orm";
import { alias } from "drizzle-orm/sqlite-core";
import type { Labels } from "../../plugin/labels.ts";
import { labels } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";

/** The labels table under one name for each column of a call that refers to it. */
export const labelAliases = () => ({
  principal: alias(labels, "principal"),
  dialect: alias(labels, "dialect"),
  operation: alias(labels, "operation"),
  model: alias(labels, "model"),
  provider: alias(labels, "provider"),
  upstreamModel: alias(labels, "upstream_model"),
  priceVersion: alias(labels, "price_version"),
  finish: alias(labels, "finish"),
  labels: alias(labels, "call_labels"),
  /** −1 is no row's reference: an unknown name filters to nothing. */
  refOf: (database: SqliteDatabase, text: string): number =>
    database.select({ ref: labels.ref }).from(labels).where(eq(labels.text, text)).all()[0]?.ref ?? -1,
});

/** The column is written from a set of labels only. */
export const labelsIn = (text: string | null): Labels | null => (text === null ? null : (JSON.parse(text) as Labels));
