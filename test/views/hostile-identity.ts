import { auditEntryPage, auditPage, historyLink } from "../../views/audit.ts";
import type { Html } from "../../views/html.ts";
import { keyHolderPage } from "../../views/key-holder.ts";
import { keyPage } from "../../views/key.ts";
import { keysPage } from "../../views/keys.ts";
import { login } from "../../views/login.ts";
import { mePage } from "../../views/me.ts";
import { peoplePage } from "../../views/people.ts";
import { personPage } from "../../views/person.ts";
import { auditLine, budgetLine, limitLine, personLine } from "./hostile-lines.ts";

const ways = (text: string) => ({ passwords: true, keys: true, issuers: [{ name: text, label: text }] });

/** The pages of keys and people, with `text` wherever text from outside can come. */
export const identityPages: Readonly<Record<string, (text: string) => Html>> = {
  login: (text) =>
    login({ ...ways(text), form: { kind: "link", token: text }, next: text, email: text, error: text, hint: text }),
  "login by token": (text) =>
    login({ ...ways(text), form: { kind: "token" }, next: text, email: text, error: text, hint: text }),
  "login by password": (text) =>
    login({ ...ways(text), form: { kind: "password" }, next: text, email: text, error: text, hint: text }),
  "login by an invitation": (text) =>
    login({
      ...ways(text),
      form: { kind: "person-link", token: text, email: text },
      next: text,
      email: text,
      error: null,
      hint: null,
    }),
  "login by code": (text) =>
    login({ ...ways(text), form: { kind: "code", ticket: text }, next: text, email: text, error: null, hint: null }),
  "the holder of a key": (text) =>
    keyHolderPage({
      facts: {
        name: text,
        prefix: text,
        last4: text,
        account: text,
        expiresMs: 1,
        lastUsedMs: null,
        secretUntilMs: 2,
        olderSecrets: [{ prefix: text, last4: text, untilMs: 3 }],
        allowed: [{ what: text, of: text, words: text }],
        budgets: [
          { on: text, window: text, limitNano: 1, spentNano: 2, heldNano: 3, resetsAtMs: null, binds: true },
          { on: text, window: text, limitNano: 1, spentNano: 0, heldNano: 0, resetsAtMs: 1, binds: false },
        ],
        balance: { balanceNano: -1, heldNano: 0, binds: true },
        limits: [
          { on: text, text, enforce: false, binds: true, use: null },
          {
            on: text,
            text,
            enforce: true,
            binds: false,
            use: { amount: 1, used: 1, held: 1, left: text, freeAtMs: 1 },
          },
        ],
        mayRotate: true,
      },
      total: { calls: 1, inputTokens: 1, outputTokens: 1, chargeNano: 1 },
      models: [{ model: text, calls: 1, inputTokens: 1, outputTokens: 1, chargeNano: 1 }],
      days: [{ startMs: 0, calls: 1, chargeNano: 1 }],
      calls: [
        { callId: text, createdMs: 1, model: text, status: text, inputTokens: 1, outputTokens: null, chargeNano: null },
      ],
      next: text,
      made: { name: text, secret: text },
      error: text,
      csrf: "c",
    }),
  people: (text) =>
    peoplePage({
      people: [personLine(text)],
      next: text,
      form: { values: { name: text, email: text, role: text, accountId: text }, error: text },
      roles: [text],
      accounts: [{ id: text, name: text }],
      whole: true,
      csrf: "c",
      made: { title: text, secret: text, hint: text },
    }),
  person: (text) =>
    personPage({
      person: { ...personLine(text), accountId: text },
      roles: [text],
      accounts: [{ id: text, name: text }],
      whole: true,
      sessions: [{ id: text, createdMs: 1, seenMs: null, address: text, agent: text, current: true }],
      tokens: [{ id: text, name: text, last4: text, createdMs: 1, expiresMs: 2 }],
      made: null,
      shown: { values: { name: text, email: text, role: text, accountId: text }, marks: { name: text } },
      token: { name: text, expires: text },
      error: text,
      csrf: "c",
    }),
  audit: (text) =>
    auditPage({
      entries: [auditLine(text)],
      next: text,
      first: false,
      filter: { actor: text, action: text, objectKind: text, objectId: text, from: text, to: text },
    }),
  "audit entry": (text) => auditEntryPage(auditLine(text)),
  "audit entry of somebody": (text) => auditEntryPage({ ...auditLine(text), actorId: text, objectKind: "key" }),
  history: (text) => historyLink(text, text),
  me: (text) =>
    mePage({
      person: { name: text, email: text, role: text, hasTotp: true, issuers: [text] },
      usage: { calls: 1, chargeNano: 1, inputTokens: 1, outputTokens: 1 },
      calls: [{ createdMs: 1, model: text, status: "ok", inputTokens: 1, outputTokens: 1, chargeNano: 1 }],
      sessions: [],
      tokens: [],
      token: { name: text, expires: text },
      made: null,
      totp: { secret: text, uri: text, enrolment: text, modules: [[true, false]] },
      recovery: [text],
      error: text,
      csrf: "c",
    }),
  keys: (text) =>
    keysPage({
      keys: [
        {
          id: "k",
          name: text,
          accountName: text,
          prefix: text,
          last4: text,
          content: "on",
          state: "active",
          declaredAs: null,
          models: [text],
          limits: [text],
          expiresMs: null,
          createdMs: 0,
          lastUsedMs: null,
        },
      ],
      next: text,
      csrf: "c",
      accounts: [{ id: text, name: text }],
      form: {
        values: {
          accountId: text,
          name: text,
          models: text,
          usd: text,
          window: "day",
          expires: text,
          requestsPerMinute: text,
          tokensPerMinute: text,
          usdPerDay: text,
          concurrency: text,
          content: text,
        },
        error: text,
      },
      created: { name: text, secret: text },
    }),
  key: (text) =>
    keyPage({
      key: {
        id: text,
        name: text,
        prefix: text,
        last4: text,
        imported: true,
        declaredAs: null,
        state: "active",
        expiresMs: null,
        createdMs: 0,
        lastUsedMs: null,
      },
      account: { id: text, name: text },
      total: { calls: 1, chargeNano: 1 },
      olderSecrets: [{ prefix: text, last4: text, untilMs: 9 }],
      budgets: [budgetLine(text)],
      limits: [limitLine(text)],
      values: { name: text, models: text, routes: text, cidrs: text, metadata: text, expires: text, content: text },
      operations: [{ name: text, chosen: true }],
      marks: { name: text },
      secret: text,
      error: text,
      csrf: "c",
    }),
};
