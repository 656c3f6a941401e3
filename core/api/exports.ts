import type { TSchema } from "@sinclair/typebox";
import type { Awaitable, Logger } from "../plugin/plugin.ts";
import type { GroupField } from "../storage/database.ts";
import type { EndedFilter, ExportFormat, ExportPart, ExportQuery, ExportRepository } from "../storage/export.ts";
import { type ApiRoute, checkedQuery } from "./route.ts";
import { AuditExportSchema } from "./audit-schemas.ts";
import { CallsExportSchema, EntriesExportSchema, UsageExportSchema } from "./schemas.ts";

interface ExportDependencies {
  readonly now: () => number;
  readonly logger: Logger;
}
type PartOf = (query: ExportQuery) => Awaitable<ExportPart>;

/**
 * Files of any length, made while they are sent: a part is read when the client has taken the one before. What goes wrong
 * before the first byte is an error as anywhere else; after it the connection is cut, so a whole file is a whole one.
 */
export function exportRoutes(exports: ExportRepository, { now, logger }: ExportDependencies): readonly ApiRoute[] {
  const route = (
    what: "audit" | "calls" | "usage" | "ledger",
    summary: string,
    query: TSchema,
    asked: (query: URLSearchParams) => { readonly format: ExportFormat; readonly partOf: PartOf },
  ): ApiRoute => ({
    method: "GET",
    path: `/api/${what}/export`,
    permission: `${what}.read`,
    summary: `${summary} As a CSV or JSONL file.`,
    query,
    session: true,
    produces: Object.values(mediaTypes),
    async answer(input) {
      const { format, partOf } = asked(input.query);
      const first = await partOf({ format });
      const body = streamOf(first, (after) => partOf({ format, after }), logger);
      const name = `${what}-${new Date(now()).toISOString().slice(0, 10)}.${format}`;
      return new Response(body, {
        headers: {
          "content-type": `${mediaTypes[format]}; charset=utf-8`,
          "content-disposition": `attachment; filename="${name}"`,
        },
      });
    },
  });

  return [
    route(
      "audit",
      "What was changed, by whom, newest first. JSONL has all that the hash of an entry covers.",
      AuditExportSchema,
      (query) => {
        const { format = "csv", ...filter } = checkedQuery(AuditExportSchema, query);
        return { format, partOf: (part) => exports.audit(filter, part) };
      },
    ),
    route("calls", "Every call that has ended, the latest ended first.", CallsExportSchema, (query) => {
      const { format = "csv", ...filter } = checkedQuery(CallsExportSchema, query);
      // The schema's list of statuses is that of EndedFilter, which its union of literals widens to string.
      return { format, partOf: (part) => exports.calls(filter as EndedFilter, part) };
    }),
    route("usage", "Sums over the calls admitted in [from, to).", UsageExportSchema, (query) => {
      const { format = "csv", groupBy, from = 0, to = now() + 1, under } = checkedQuery(UsageExportSchema, query);
      // The schema's pattern admits these names only.
      const fields = (groupBy === undefined ? [] : groupBy.split(",")) as GroupField[];
      const range = { from, to, groupBy: [...new Set(fields)], ...(under !== undefined && { under }) };
      return { format, partOf: (part) => exports.usage(range, part) };
    }),
    route("ledger", "Every entry of the ledger, newest first.", EntriesExportSchema, (query) => {
      const { format = "csv", ...filter } = checkedQuery(EntriesExportSchema, query);
      return { format, partOf: (part) => exports.entries(filter, part) };
    }),
  ];
}

const mediaTypes: Readonly<Record<ExportFormat, string>> = { csv: "text/csv", jsonl: "application/jsonl" };

/** One part at a time, and none once the client has left. */
function streamOf(
  first: ExportPart,
  partAfter: (after: string) => Awaitable<ExportPart>,
  logger: Logger,
): ReadableStream<Uint8Array> {
  let ready: ExportPart | null = first;
  let after = first.next;
  let left = false;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          // On to the next part with rows: who is asked and gives nothing is not asked again.
          for (let given = false; !given;) {
            const part: ExportPart | null = ready ?? (after === null ? null : await partAfter(after));
            if (left) return;
            ready = null;
            after = part?.next ?? null;
            given = part !== null && part.bytes.length > 0;
            if (part && given) controller.enqueue(part.bytes);
            if (after === null) return controller.close();
          }
        } catch (error) {
          if (left) return;
          logger.error({ error }, "an export was cut off");
          controller.error(error);
        }
      },
      cancel() {
        left = true;
        ready = null;
      },
    },
    { highWaterMark: 0 },
  );
}
