import type { Awaitable } from "../plugin/plugin.ts";
import type { AuditFilter } from "./audit.ts";
import type { EntryFilter } from "./credit.ts";
import type { CallFilter, CallStatus, UsageRange } from "./database.ts";

/** `csv`: RFC 4180 with a header line. `jsonl`: an object a line. Both UTF-8, with the same columns. */
export type ExportFormat = "csv" | "jsonl";

/** Calls that have ended: one in flight has no usage and no place in the order yet. */
export interface EndedFilter extends CallFilter {
  readonly status?: Exclude<CallStatus, "open">;
}
export interface ExportQuery {
  readonly format: ExportFormat;
  /** `next` of the part before; absent: from the beginning. */
  readonly after?: string | null;
  /** Leaves out the columns of what providers bill. */
  readonly withoutCost?: boolean;
}
/** As much of an export as is read, kept and sent at once. */
export interface ExportPart {
  readonly bytes: Uint8Array;
  /** Pass as `after` for the next part; `null` at the end. */
  readonly next: string | null;
}

/**
 * Rows as the bytes of a file, part by part: encoded where they are read, so that the thread that serves only passes them
 * on. A call or an entry is in an export once if it was written before its first part was read, and not at all if after.
 */
export interface ExportRepository {
  /** Newest first; cost and charge with what was adjusted before the first part. */
  calls(filter: EndedFilter, query: ExportQuery): Awaitable<ExportPart>;
  /** Newest first. */
  entries(filter: EntryFilter, query: ExportQuery): Awaitable<ExportPart>;
  /** Newest first, with all that a hash covers. */
  audit(filter: AuditFilter, query: ExportQuery): Awaitable<ExportPart>;
  /** Each group once, exact at the moment its part is read; days and hours in their order. */
  usage(range: UsageRange, query: ExportQuery): Awaitable<ExportPart>;
}
