import type { AuditRow } from "./audit.ts";
import type { LedgerEntry } from "./credit.ts";
import type { CallRow, GroupField, UsageGroup } from "./database.ts";
import { type Column, usdText, utcText } from "./export-text.ts";
import { type Nano, nanoInJson } from "./nano.ts";

/** The columns of each export: named as the API names them, money also in USD and times also in words. */

/** Without what providers bill, for those whom that is not told. */
export const told = <Row>(columns: readonly Column<Row>[], withoutCost: boolean | undefined): readonly Column<Row>[] =>
  withoutCost ? columns.filter(({ name }) => name !== "costNano" && name !== "costUsd") : columns;

type NamesOf<Row, Type> = { [Name in keyof Row]: Row[Name] extends Type ? Name : never }[keyof Row] & string;

const plain = <Row>(name: NamesOf<Row, string | number | boolean | null>): Column<Row> => ({
  name,
  // The names are those of such values.
  value: (row) => row[name] as string | number | boolean | null,
});
const usd = <Row>(name: string, nano: (row: Row) => Nano | null): Column<Row> => ({
  name,
  exact: true,
  value: (row) => usdText(nano(row)),
});
const utc = <Row>(name: string, ms: (row: Row) => number | null): Column<Row> => ({
  name,
  exact: true,
  value: (row) => utcText(ms(row)),
});

export const callColumns: readonly Column<CallRow>[] = [
  plain("callId"),
  utc("createdUtc", ({ createdMs }) => createdMs),
  plain("accountId"),
  plain("keyId"),
  plain("principal"),
  plain("dialect"),
  plain("operation"),
  plain("model"),
  plain("provider"),
  plain("upstreamModel"),
  plain("status"),
  plain("source"),
  plain("inputTokens"),
  plain("cacheReadTokens"),
  plain("cacheWriteTokens"),
  plain("cacheWrite1hTokens"),
  plain("outputTokens"),
  plain("reasoningTokens"),
  plain("costNano"),
  usd("costUsd", ({ costNano }) => costNano),
  plain("chargeNano"),
  usd("chargeUsd", ({ chargeNano }) => chargeNano),
  plain("priceVersion"),
  plain("finishReason"),
  plain("stream"),
  plain("ttftMs"),
  plain("durationMs"),
  plain("createdMs"),
  plain("finishedMs"),
  { name: "labels", value: ({ labels }) => labels && JSON.stringify(labels) },
];

export const entryColumns: readonly Column<LedgerEntry>[] = [
  plain("seq"),
  utc("createdUtc", ({ createdMs }) => createdMs),
  plain("accountId"),
  plain("callId"),
  plain("kind"),
  plain("deltaNano"),
  usd("deltaUsd", ({ deltaNano }) => deltaNano),
  { name: "createdAt", value: ({ createdMs }) => createdMs },
  { name: "expiresAt", value: ({ expiresMs }) => expiresMs },
  plain("note"),
];

export const auditColumns: readonly Column<AuditRow>[] = [
  plain("seq"),
  utc("createdUtc", ({ createdMs }) => createdMs),
  plain("createdMs"),
  plain("actorKind"),
  plain("actorId"),
  plain("actorName"),
  plain("actorRole"),
  plain("actorAccountId"),
  plain("address"),
  plain("route"),
  plain("action"),
  plain("objectKind"),
  plain("objectId"),
  plain("accountId"),
  plain("before"),
  plain("after"),
  plain("times"),
  plain("hash"),
];

export const usageColumns = (groupBy: readonly GroupField[]): readonly Column<UsageGroup>[] => [
  ...groupBy.flatMap((field): readonly Column<UsageGroup>[] => [
    { name: field, value: ({ group }) => group[field] ?? null },
    ...(field === "day" || field === "hour"
      ? [utc<UsageGroup>(`${field}Utc`, ({ group }) => Number(group[field]))]
      : []),
  ]),
  plain("calls"),
  plain("errors"),
  plain("inputTokens"),
  plain("outputTokens"),
  plain("cacheReadTokens"),
  plain("cacheWriteTokens"),
  plain("reasoningTokens"),
  { name: "costNano", exact: true, value: ({ costNano }) => nanoInJson(costNano) },
  usd("costUsd", ({ costNano }) => costNano),
  { name: "chargeNano", exact: true, value: ({ chargeNano }) => nanoInJson(chargeNano) },
  usd("chargeUsd", ({ chargeNano }) => chargeNano),
];
