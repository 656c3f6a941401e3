import { GatewayError } from "../chat/error.ts";
import { limitFields } from "../plugin/plugin.ts";

/** What forms call the fields of the API that they fill. `object`: the one that names another object. */
export type FieldLabels = Readonly<Record<string, string>>;

/**
 * What is wrong with what was typed, for the form to say; anything that is not the visitor's mistake goes on. `own`: what
 * this form calls otherwise than the others.
 */
export function refusalOf(error: unknown, own: FieldLabels = {}): string {
  if (!(error instanceof GatewayError) || error.status >= 500) throw error;
  // Of a list that is typed into one field, which entry it is does not matter.
  const [prefix = "", field = error.kind === "not-found" ? "object" : ""] =
    /^([A-Za-z][\w.]*?)(?:\.\d+)?: /.exec(error.message) ?? [];
  const label = own[field] ?? labels[field];
  return label === undefined ? error.message : `${label}: ${error.message.slice(prefix.length)}`;
}

/** What a form calls a field of the API. */
export const labelOf = (field: string): string => labels[field] ?? field;

const ofLimits = limitFields.map(({ name, measure, per }) => {
  const what =
    measure === "spend" ? "USD" : `${measure.slice(0, 1).toUpperCase()}${measure.slice(1).replace("-", " ")}`;
  return [name, per === null ? "Calls at once" : `${what} ${per === "hour" ? "an" : "a"} ${per}`] as const;
});

const labels: FieldLabels = {
  name: "Name",
  accountId: "Account",
  account: "Account",
  parentId: "Under",
  email: "E-mail",
  password: "Password",
  role: "Role",
  models: "Models",
  providers: "Providers",
  routes: "Routes",
  cidrs: "Networks",
  metadata: "Metadata",
  operations: "Operations",
  content: "Prompts and answers",
  uncappedOutputTokens: "Output cap of calls without one",
  expiresAt: "Valid through",
  withdraw: "Instead of terms",
  "budget.usd": "Budget in USD",
  "budget.window": "Budget window",
  "scope.kind": "On",
  "scope.id": "Which one",
  usd: "Limit in USD",
  window: "Window",
  timeZone: "Time zone",
  onShortfall: "A call that does not fit",
  admission: "A call holds",
  alertPercents: "Alerts at percents spent",
  "increase.usd": "USD on top of the limit",
  "increase.until": "Through",
  target: "Target",
  margin: "Margin in %",
  discount: "Discount in %",
  fee: "Fee in USD a call",
  effectiveFrom: "In effect from",
  note: "Note",
  apiKey: "Key",
  weight: "Weight",
  ...Object.fromEntries(ofLimits),
  ...Object.fromEntries(ofLimits.map(([name, label]) => [`limits.${name}`, label])),
};

/** Those of the fields that hold something. */
export const filled = (form: URLSearchParams, names: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = (form.get(name) ?? "").trim();
      return value === "" ? [] : [[name, value]];
    }),
  );
