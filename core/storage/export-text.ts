import type { ExportFormat } from "./export.ts";
import type { Nano } from "./nano.ts";

/** `exact`: our own digits, which are a number in a sheet and stay a string in JSON, where a number would lose some. */
export interface Column<Row> {
  readonly name: string;
  readonly exact?: true;
  readonly value: (row: Row) => string | number | boolean | null;
}

const encoder = new TextEncoder();

/** Lines of a file. `first`: it begins here, in CSV with the names of the columns. */
export function encodedRows<Row>(
  format: ExportFormat,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  first: boolean,
): Uint8Array {
  const lines = rows.map((row) => (format === "csv" ? csvLine(columns, row) : jsonLine(columns, row)));
  const header = first && format === "csv" ? `${columns.map(({ name }) => name).join(",")}\r\n` : "";
  return encoder.encode(header + lines.join(""));
}

const jsonLine = <Row>(columns: readonly Column<Row>[], row: Row): string =>
  `${JSON.stringify(Object.fromEntries(columns.map(({ name, value }) => [name, value(row)])))}\n`;

const csvLine = <Row>(columns: readonly Column<Row>[], row: Row): string =>
  `${columns.map((column) => cell(column, row)).join(",")}\r\n`;

function cell<Row>({ value, exact }: Column<Row>, row: Row): string {
  const given = value(row);
  if (given === null) return "";
  if (typeof given !== "string" || exact) return String(given);
  return quoted(isFormula.test(given) ? `'${given}` : given);
}

/**
 * A sheet runs what begins like this, whoever wrote it: clients choose names of models. The full-width forms are the same
 * to some. https://owasp.org/www-community/attacks/CSV_Injection
 */
const isFormula = /^[=+\-@\t\r\n＝＋－＠]/;

/** RFC 4180 §2; beyond it the separators that sheets of other countries split at, or a cell would begin inside of one. */
const quoted = (text: string): string => (/[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** Nano-USD as dollars with all nine decimals: `-0.000000045`. `null`: unknown. */
export function usdText(nano: Nano | null): string | null {
  if (nano === null) return null;
  const digits = BigInt(nano).toString().replace("-", "").padStart(10, "0");
  return `${nano < 0 ? "-" : ""}${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

/** `2025-11-23T14:26:05.000Z`. `null`: never, or a time that no calendar has. */
export const utcText = (ms: number | null): string | null =>
  ms === null || Math.abs(ms) > 8.64e15 ? null : new Date(ms).toISOString();
