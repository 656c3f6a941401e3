import type { Html } from "../../views/html.ts";
import { type KeyFacts, type KeyHolderModel, keyHolderPage } from "../../views/key-holder.ts";
import { limitText, quantityText, remainingOf } from "../chat/limit.ts";
import { type KeySession, keySessionMs } from "../identity/key-sessions.ts";
import type { SelfView } from "../identity/self.ts";
import { sameToken } from "../identity/sessions.ts";
import { cookiePolicy, keyCookie, readCookie, setCookie } from "./cookie.ts";
import { readForm } from "./form.ts";
import { plainHttpWarning, toLogin } from "./guard.ts";
import { isSameOrigin } from "./origin.ts";
import { answerErrors, errorPage, page, redirect } from "./page.ts";
import { refusalOf } from "./refusal.ts";
import type { DashboardDependencies, DashboardRoute } from "./route.ts";
import { dayMs, startOfDay } from "../storage/range-parts.ts";

const path = "/dashboard/me/key";
const shownDays = 30;
const shownCalls = 20;

/** The one page of whoever holds an API key, and what is done on it: least rights, by a session of their own. */
export function keyHolderRoutes(dependencies: DashboardDependencies): readonly DashboardRoute[] {
  const { publicUrl, version, now, keyHolders, takenForms } = dependencies;
  const { sessions, self } = keyHolders;
  const policyOf = (request: Request) => keyCookie(cookiePolicy(publicUrl, request.headers.get("host")));
  const valueIn = (request: Request) => readCookie(request.headers.get("cookie"), policyOf(request));

  const asking = (request: Request) => ({
    address: dependencies.clientAddress?.(request) ?? null,
    route: `POST ${path}/rotation`,
  });

  interface Shown extends Partial<Pick<KeyHolderModel, "made" | "error">> {
    readonly status?: number;
    readonly headers?: Readonly<Record<string, string>>;
  }
  async function show(request: Request, { principal, secret, csrf }: KeySession, shown: Shown = {}) {
    const { made = null, error = null, status = 200, headers = {} } = shown;
    const after = new URL(request.url).searchParams.get("after") ?? undefined;
    const today = startOfDay(now());
    const range = { from: today - (shownDays - 1) * dayMs, to: today + dayMs };
    const [view, byModel, byDay, calls] = await Promise.all([
      self.view(principal, secret),
      self.usage(principal, { ...range, groupBy: ["model"] }),
      self.usage(principal, { ...range, groupBy: ["day"] }),
      self.calls(principal, {}, { limit: shownCalls, ...(after !== undefined && { after }) }),
    ]);
    const main = keyHolderPage({
      facts: factsOf(view, now()),
      total: byModel.total,
      models: byModel.data.map(({ group, ...sums }) => ({ ...sums, model: String(group.model ?? "") })),
      days: Array.from({ length: shownDays }, (_, at) => {
        const startMs = range.from + at * dayMs;
        const sums = byDay.data.find(({ group }) => group.day === startMs);
        return { startMs, calls: sums?.calls ?? 0, chargeNano: sums?.chargeNano ?? 0 };
      }),
      calls: calls.data,
      next: calls.next,
      made,
      error,
      csrf,
    });
    return whole(request, principal.name, csrf, main, { status, headers });
  }
  const whole = (
    request: Request,
    name: string,
    csrf: string,
    main: Html,
    options: { readonly status: number; readonly headers: Readonly<Record<string, string>> },
  ): Response =>
    page(
      {
        title: name,
        section: "me",
        session: "key",
        visitor: { name, closed: [], onlyReads: false },
        csrf,
        version,
        banner: policyOf(request).secure ? null : plainHttpWarning,
      },
      main,
      options,
    );

  /** Checks whoever comes as the pages of people do, but by the other cookie. */
  const route = (
    method: "GET" | "POST",
    at: string,
    answer: (request: Request, session: KeySession, form: URLSearchParams) => Promise<Response>,
  ): DashboardRoute => ({
    method,
    path: at,
    access: "key-session",
    permission: null,
    handle: (request) =>
      answerErrors(request, version, async () => {
        const changes = method === "POST";
        if (changes && !isSameOrigin(request, publicUrl, false)) return errorPage(request, 403, version);
        const form = changes ? await readForm(request) : new URLSearchParams();
        const value = valueIn(request);
        const session = await sessions.find(value, request);
        // A rotation ends the session that it was asked for in, with which a second click comes.
        if (session === null) return (await takenForms.again(value ?? "", request, form)) ?? toLogin(request);
        const token = request.headers.get("x-csrf-token") ?? form?.get("csrf") ?? null;
        if (changes && !sameToken(token, session.csrf)) return errorPage(request, 403, version);
        return takenForms.once(value ?? "", request, form, () =>
          answer(request, session, form ?? new URLSearchParams()),
        );
      }),
  });

  return [
    route("GET", path, async (request, session) => {
      await self.begin(session.principal, "/v1/me");
      return show(request, session);
    }),
    route("POST", `${path}/rotation`, async (request, session, form) => {
      const { principal, secret } = session;
      await self.begin(principal, "/v1/me/rotation");
      try {
        const graceSeconds = Number(form.get("graceSeconds") ?? 0);
        const rotated = await self.rotate(principal, secret, { graceSeconds }, asking(request));
        // The secret that the session was of has ended, or will.
        const value = await sessions.open(rotated.secret, request);
        await sessions.close(valueIn(request));
        const next = value === null ? null : await sessions.find(value, request);
        if (value === null || next === null) return toLogin(request);
        const cookie = setCookie(policyOf(request), value, keySessionMs / 1000);
        const made = { name: rotated.row.name, secret: rotated.secret };
        return await show(request, next, { made, status: 201, headers: { "set-cookie": cookie } });
      } catch (error) {
        return await show(request, session, { error: refusalOf(error), status: 422 });
      }
    }),
    route("POST", `${path}/logout`, async (request) => {
      await sessions.close(valueIn(request));
      return redirect("/dashboard/login", {
        "set-cookie": setCookie(policyOf(request), "", 0),
        // As for people: a page that showed a new secret must not come back from the cache.
        "clear-site-data": '"cache", "storage"',
      });
    }),
  ];
}

/** What the page shows of the view. */
function factsOf(view: SelfView, nowMs: number): KeyFacts {
  const { principal, key, account, terms, secretUntilMs, olderSecrets, budgets, balance, limits, mayRotate } = view;
  return {
    name: principal.name,
    prefix: key?.prefix ?? "",
    last4: key?.last4 ?? "",
    account: account.name,
    expiresMs: key?.expiresMs ?? null,
    lastUsedMs: key?.lastUsedMs ?? null,
    secretUntilMs,
    olderSecrets,
    allowed: [
      ...listed("key", "models", principal.models),
      ...listed("key", "operations", principal.operations ?? "all"),
      ...listed("key", "routes", principal.routes ?? "all"),
      ...listed("key", "networks", key && key.cidrs.length > 0 ? key.cidrs : "all"),
      ...terms.flatMap(({ models, providers, operations }) => [
        ...listed("account", "models", models),
        ...listed("account", "providers", providers),
        ...listed("account", "operations", operations),
      ]),
    ],
    budgets: budgets.map(({ scope, ...budget }) => ({ ...budget, on: scope.kind })),
    balance,
    limits: limits.map(({ limit, use, binds }) => ({
      on: limit.scope.kind,
      text: limitText(limit),
      enforce: limit.enforce !== false,
      binds,
      use: use && {
        amount: limit.amount,
        used: use.used,
        held: use.held,
        left: quantityText(limit.measure, remainingOf(use)),
        freeAtMs: use.resetMs === null || use.resetMs === 0 ? null : nowMs + use.resetMs,
      },
    })),
    mayRotate,
  };
}

const listed = (of: "key" | "account", what: string, list: readonly string[] | "all"): KeyFacts["allowed"] =>
  list === "all" ? [] : [{ of, what, words: list.join(", ") }];
