import { createHash } from "node:crypto";

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

/** Whether what a field holds was typed after its form was written; without a mark it was. */
export const isTyped = (form: URLSearchParams, field: string): boolean =>
  form.get(`was.${field}`) !== markOf(form.getAll(field).join(","));

/** Not the text itself, which would make forms twice as large. Browsers take line ends out of fields of one line. */
const markOf = (text: string): string =>
  createHash("sha256")
    .update(text.replaceAll(/[\r\n]/g, ""))
    .digest("base64url");
