import { createHash } from "node:crypto";
import type { ShownFields } from "../../views/form-fields.ts";

/**
 * A form that changes an object carries a mark of each field as it was written, and what was not typed since is no
 * change: it may have been changed elsewhere meanwhile, or mean more than its field can show. `form`: it came back with
 * a fault and keeps its marks.
 */
export const marksOf = (
  written: Readonly<Record<string, string>>,
  form: URLSearchParams | null,
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(written).map(([field, text]) => [field, form?.get(`was.${field}`) ?? markOf(text)]),
  );

/** What the fields of a form show, with their marks. `form`: it came back with a fault, and shows what was typed. */
export function shownFields<Field extends string>(
  written: Readonly<Record<Field, string>>,
  form: URLSearchParams | null,
): ShownFields<Field> {
  const typed = Object.entries<string>(written).map(([field, text]) => [field, form?.get(field) ?? text]);
  // Every field of it, by its name again.
  return { values: Object.fromEntries(typed) as Record<Field, string>, marks: marksOf(written, form) };
}

/** Whether what a field holds was typed after its form was written; without a mark it was. */
export const isTyped = (form: URLSearchParams, field: string): boolean =>
  form.get(`was.${field}`) !== markOf(form.getAll(field).join(","));

/** Not the text itself, which would make forms twice as large. Browsers take line ends out of fields of one line. */
const markOf = (text: string): string =>
  createHash("sha256")
    .update(text.replaceAll(/[\r\n]/g, ""))
    .digest("base64url");
