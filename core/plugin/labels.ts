/** What tells calls apart in reports beside who made them: texts by name. They decide nothing. */
export type Labels = Readonly<Record<string, string>>;

/** Each set of labels is kept once and pointed at by its calls, and each value may become a line of a report. */
const maxLabels = 8;
const maxValueLength = 100;
const nameForm = /^[A-Za-z0-9_.-]{1,64}$/;
/** No control or formatting character: it stands in records, logs and pages. */
const unshown = /[\p{C}\p{Zl}\p{Zp}]/u;

/** The value of a label as it is kept; `null`: none that could be. */
export function labelValue(value: unknown): string | null {
  if (typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value))) return String(value);
  return typeof value === "string" && value.trim() !== "" && value.length <= maxValueLength && !unshown.test(value)
    ? value
    : null;
}

export function areLabels(value: unknown): value is Labels {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const entries = Object.entries(value);
  return (
    entries.length <= maxLabels &&
    entries.every(([name, text]) => nameForm.test(name) && typeof text === "string" && labelValue(text) !== null)
  );
}

/** One text for one set of labels, in whatever order they come; `null`: there are none. */
export function labelText(labels: Labels | undefined): string | null {
  if (labels === undefined) return null;
  const entries = Object.entries(labels).toSorted(([left], [right]) => (left < right ? -1 : 1));
  return entries.length === 0 ? null : JSON.stringify(Object.fromEntries(entries));
}
