import { encode } from "uqr";
import { mePage, type MeModel, type TotpModel } from "../../views/me.ts";
import type { Enrolment } from "../identity/totp.ts";
import { tokenFields, tokenInput, tokenShown } from "./people.ts";
import { ownCalls, ownUsage } from "../identity/own-calls.ts";
import { redirect } from "./page.ts";
import { type FieldLabels, filled, refusalOf } from "./refusal.ts";
import type { PageDependencies, PageRoute, Visit } from "./route.ts";
import { dayMs, startOfDay } from "../storage/range-parts.ts";

const path = "/dashboard/me";
const shownCalls = 20;

/** What is one's own: password, second factor, sessions, tokens. */
export function meRoutes({ database, own, now }: PageDependencies): readonly PageRoute[] {
  async function show(
    visit: Visit,
    extra: Partial<Pick<MeModel, "made" | "totp" | "recovery" | "error">> = {},
    status = 200,
  ): Promise<Response> {
    const { actor } = visit;
    const person = await own.person(actor);
    const sessions = await own.sessions(actor);
    const since = startOfDay(now()) - 29 * dayMs;
    const main = mePage({
      person,
      sessions: sessions.map((session) => ({ ...session, current: session.digest === visit.session })),
      tokens: person === null ? [] : await own.tokens(actor),
      usage: actor.accountId === null ? null : await ownUsage(database, actor, { from: since, to: now() + 1 }),
      calls: (await ownCalls(database, actor, { limit: shownCalls })).data,
      token: tokenFields(extra.error === undefined ? null : visit.form),
      made: null,
      totp: null,
      recovery: null,
      error: null,
      ...extra,
      csrf: visit.csrf,
    });
    return visit.page("My account", "me", main, { status });
  }
  /** What is wrong stands on the page. `labels`: what the form calls otherwise than the others. */
  const doing =
    (act: (visit: Visit) => Promise<Response>, labels: FieldLabels = {}) =>
    async (visit: Visit) => {
      try {
        return await act(visit);
      } catch (error) {
        return await show(visit, { error: refusalOf(error, labels) }, 422);
      }
    };

  return [
    { method: "GET", path, permission: "me.read", answer: (visit) => show(visit) },
    {
      method: "POST",
      path: `${path}/password`,
      permission: "me.write",
      answer: doing(
        async ({ actor, form, session }) => {
          await own.setPassword(actor, raw(form, ["current", "password"]), session);
          return redirect(path);
        },
        { current: "Current password", password: "New password" },
      ),
    },
    {
      method: "POST",
      path: `${path}/tokens`,
      permission: "me.write",
      answer: doing(async (visit) => {
        const { row, token } = await own.addToken(visit.actor, tokenInput(visit.form, now()));
        return show(visit, { made: tokenShown(row.name, token) }, 201);
      }),
    },
    {
      method: "POST",
      path: `${path}/tokens/:id/removal`,
      permission: "me.write",
      answer: doing(async ({ actor, params, notFound }) =>
        (await own.removeToken(actor, params["id"] ?? "")) ? redirect(path) : notFound(),
      ),
    },
    {
      method: "POST",
      path: `${path}/sessions/:id/removal`,
      permission: "me.write",
      answer: doing(async ({ actor, params, notFound }) =>
        (await own.endSession(actor, params["id"] ?? "")) ? redirect(path) : notFound(),
      ),
    },
    {
      method: "POST",
      path: `${path}/issuer-removal`,
      permission: "me.write",
      answer: doing(async ({ actor, form, session, notFound }) =>
        (await own.unlink(actor, { issuer: form.get("issuer") ?? "" }, session)) === null ? notFound() : redirect(path),
      ),
    },
    {
      method: "POST",
      path: `${path}/totp`,
      permission: "me.write",
      answer: doing(async (visit) => {
        return show(visit, { totp: drawn(await own.beginTotp(visit.actor, raw(visit.form, ["password"]))) });
      }),
    },
    {
      method: "POST",
      path: `${path}/totp/confirmation`,
      permission: "me.write",
      async answer(visit) {
        try {
          return await show(visit, {
            recovery: await own.confirmTotp(visit.actor, filled(visit.form, ["enrolment", "code"])),
          });
        } catch (cause) {
          const error = refusalOf(cause, { code: "Code that the app shows" });
          // Their app has the secret by now: a code that was wrong is typed again.
          const begun = await own.begunTotp(visit.actor, visit.form.get("enrolment") ?? "");
          return show(visit, { error, totp: begun && drawn(begun) }, 422);
        }
      },
    },
    {
      method: "POST",
      path: `${path}/totp/removal`,
      permission: "me.write",
      answer: doing(async ({ actor, form }) => {
        await own.dropTotp(actor, raw(form, ["password"]));
        return redirect(path);
      }),
    },
  ];
}

const drawn = (begun: Enrolment): TotpModel => ({ ...begun, modules: encode(begun.uri, { border: 4 }).data });

/** Passwords as they were typed, with the space around them. */
const raw = (form: URLSearchParams, names: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(names.map((name) => [name, form.get(name) ?? ""]));
