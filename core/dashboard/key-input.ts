import { GatewayError } from "../chat/error.ts";
import { keyFields, type KeyField, type KeyFormModel } from "../../views/key-form.ts";
import { defaultAccount } from "../plugin/default-account.ts";
import type { BudgetWindow } from "../storage/budget.ts";
import type { KeyRow } from "../storage/key.ts";
import { parseLastDay } from "./last-day.ts";
import { labelOf } from "./refusal.ts";
import type { NewKeyFields } from "./route.ts";
import { wordsOf } from "./written-text.ts";

type Values = KeyFormModel["values"];

/** What was typed, without the space around it. */
export function typed(form: URLSearchParams): Values {
  const field = (name: KeyField): string => (form.get(name) ?? "").trim();
  return {
    name: field("name"),
    accountId: field("accountId") || defaultAccount,
    models: field("models"),
    usd: field("usd"),
    window: field("window") || "month",
    expires: field("expires"),
    requestsPerMinute: field("requestsPerMinute"),
    tokensPerMinute: field("tokensPerMinute"),
    usdPerDay: field("usdPerDay"),
    concurrency: field("concurrency"),
    content: field("content"),
  };
}

export const emptyForm: KeyFormModel = {
  values: typed(new URLSearchParams(keyFields.map((field) => [field, ""]))),
  error: null,
};

/** Throws `invalid-request` with a message for the form. What the amounts may be is for whoever makes the key. */
export function parseKeyForm(values: Values, nowMs: number): NewKeyFields {
  if (values.name === "") throw new GatewayError("invalid-request", "Name: a key needs one.");
  const models = wordsOf(values.models, labelOf("models"));
  const limits = parseLimits(values);
  return {
    name: values.name,
    accountId: values.accountId,
    ...(models.length > 0 && { models }),
    ...(values.usd !== "" && { budget: { usd: values.usd, window: parseWindow(values.window) } }),
    ...(Object.keys(limits).length > 0 && { limits }),
    ...(values.content !== "" && { content: parseContent(values.content) }),
    ...(values.expires !== "" && { expiresAt: parseLastDay(values.expires, nowMs, "Valid through") }),
  };
}

const windows: readonly BudgetWindow[] = ["day", "week", "month", "lifetime"];

function parseWindow(text: string): BudgetWindow {
  const window = windows.find((candidate) => candidate === text);
  if (window === undefined) throw new GatewayError("invalid-request", "Budget window: day, week, month or lifetime.");
  return window;
}

export function parseContent(text: string): "on" | "off" {
  if (text !== "on" && text !== "off")
    throw new GatewayError("invalid-request", "Prompts and answers are kept or not, or as the account says.");
  return text;
}

function parseLimits(values: Values): KeyRow["limits"] {
  return {
    ...(values.requestsPerMinute !== "" && {
      requestsPerMinute: parseWhole(values.requestsPerMinute, "Requests a minute"),
    }),
    ...(values.tokensPerMinute !== "" && { tokensPerMinute: parseWhole(values.tokensPerMinute, "Tokens a minute") }),
    ...(values.usdPerDay !== "" && { usdPerDay: values.usdPerDay }),
    ...(values.concurrency !== "" && { concurrency: parseWhole(values.concurrency, "Calls at once") }),
  };
}

function parseWhole(text: string, label: string): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (value < 1) throw new GatewayError("invalid-request", `${label}: a whole number from 1, or nothing.`);
  return value;
}
