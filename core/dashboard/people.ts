import { type MadeSecret, peoplePage, type PersonFormModel } from "../../views/people.ts";
import { personPage, type TokenFields } from "../../views/person.ts";
import { segment } from "../../views/html.ts";
import { isWithinReach } from "../identity/person.ts";
import { type Actor, roles } from "../identity/policy.ts";
import type { PersonRow } from "../storage/people.ts";
import { allAccounts } from "./accounts.ts";
import { parseLastDay } from "./last-day.ts";
import { changesOf } from "./change.ts";
import { redirect } from "./page.ts";
import { filled, refusalOf } from "./refusal.ts";
import type { PageDependencies, PageRoute, Visit } from "./route.ts";
import { isTyped, shownFields } from "./typed-fields.ts";

export function peopleRoutes({ database, people, now }: PageDependencies): readonly PageRoute[] {
  const pathOf = (id: string) => `/dashboard/people/${segment(id)}`;
  const idOf = ({ params }: Visit) => params["id"] ?? "";

  async function choices(actor: Actor) {
    const { accounts } = await allAccounts(database);
    const names = new Map(accounts.map(({ id, name }) => [id, name]));
    const line = (person: PersonRow) => ({
      ...person,
      accountName: person.accountId === null ? null : (names.get(person.accountId) ?? person.accountId),
    });
    const whole = actor.accountId === null;
    return { line, whole, accounts: accounts.toReversed(), roles: roles.filter((role) => isWithinReach(actor, role)) };
  }

  async function showAll(visit: Visit, form: PersonFormModel, made: MadeSecret | null, status = 200) {
    const { data, next } = await people.list(visit.actor, { after: visit.query.get("after") || null, limit: 50 });
    const { line, ...rest } = await choices(visit.actor);
    const main = peoplePage({ ...rest, people: data.map(line), next, form, made, csrf: visit.csrf });
    return visit.page("People", "people", main, { status });
  }

  async function showOne(
    visit: Visit,
    made: MadeSecret | null,
    error: string | null,
    { status = 200, id = idOf(visit) } = {},
  ): Promise<Response> {
    const person = await people.get(visit.actor, id);
    if (person === null) return visit.notFound();
    const { line, accounts, ...rest } = await choices(visit.actor);
    const { email, role, accountId } = person;
    // Of very many accounts not all are shown: without their own, saving the form would put them elsewhere.
    const isShown = accountId === null || accounts.some((account) => account.id === accountId);
    const own = isShown ? null : await database.accounts.find(accountId);
    const refused = error === null ? null : visit.form;
    const written = { name: person.name, email: email ?? "", role, accountId: accountId ?? "" };
    const sessions = (await people.sessions(visit.actor, person.id)) ?? [];
    const main = personPage({
      ...rest,
      accounts: own ? [own, ...accounts] : accounts,
      // One above the visitor is shown as they are.
      roles: rest.roles.includes(role) ? rest.roles : [role, ...rest.roles],
      person: line(person),
      sessions: sessions.map((session) => ({ ...session, current: session.digest === visit.session })),
      tokens: (await people.tokens(visit.actor, person.id)) ?? [],
      made,
      shown: shownFields(written, refused?.has("role") ? refused : null),
      token: tokenFields(refused),
      error,
      csrf: visit.csrf,
    });
    return visit.page(person.name, "people", main, { status, history: { kind: "person", id: person.id } });
  }

  const changing = changesOf({
    pathOf: (visit) => pathOf(idOf(visit)),
    again: (visit, error) => showOne(visit, null, error, { status: 422 }),
    labels,
  });
  /** One that makes something that is shown once. */
  const making = (make: (visit: Visit, id: string) => Promise<MadeSecret | null>) => async (visit: Visit) => {
    try {
      const made = await make(visit, idOf(visit));
      return made === null ? visit.notFound() : await showOne(visit, made, null, { status: 201 });
    } catch (error) {
      return await showOne(visit, null, refusalOf(error, labels), { status: 422 });
    }
  };

  return [
    {
      method: "GET",
      path: "/dashboard/people",
      permission: "people.read",
      answer: (visit) => showAll(visit, { values: {}, error: null }, null),
    },
    {
      method: "POST",
      path: "/dashboard/people",
      permission: "people.write",
      async answer(visit) {
        const values = filled(visit.form, ["kind", "name", "email", "role", "accountId"]);
        try {
          const { person, link } = await people.create(visit.actor, { ...values, accountId: placeIn(visit) });
          return link === null
            ? redirect(pathOf(person.id))
            : await showAll(visit, { values: {}, error: null }, linkShown(person.email, link.url), 201);
        } catch (error) {
          return await showAll(visit, { values, error: refusalOf(error, labels) }, null, 422);
        }
      },
    },
    {
      method: "GET",
      path: "/dashboard/people/:id",
      permission: "people.read",
      answer: (visit) => showOne(visit, null, null),
    },
    {
      method: "POST",
      path: "/dashboard/people/:id",
      permission: "people.write",
      async answer(visit) {
        const change = typedIn(visit);
        try {
          const changed =
            Object.keys(change).length > 0
              ? await people.change(visit.actor, idOf(visit), change)
              : { person: await people.get(visit.actor, idOf(visit)), link: null };
          const person = changed?.person;
          if (!changed || !person) return visit.notFound();
          const { link } = changed;
          return link === null
            ? redirect(pathOf(person.id))
            : await showOne(visit, linkShown(person.email, link.url), null, { status: 201, id: person.id });
        } catch (error) {
          return await showOne(visit, null, refusalOf(error, labels), { status: 422 });
        }
      },
    },
    {
      method: "POST",
      path: "/dashboard/people/:id/link",
      permission: "people.write",
      answer: making(async ({ actor }, id) => {
        const link = await people.renewLink(actor, id);
        return link && linkShown((await people.get(actor, id))?.email ?? null, link.url);
      }),
    },
    {
      method: "POST",
      path: "/dashboard/people/:id/tokens",
      permission: "people.write",
      answer: making(async ({ actor, form }, id) => {
        const made = await people.addToken(actor, id, tokenInput(form, now()));
        return made && tokenShown(made.row.name, made.token);
      }),
    },
    {
      method: "POST",
      path: "/dashboard/people/:id/tokens/:token/removal",
      permission: "people.write",
      answer: changing(({ actor, params }, id) => people.removeToken(actor, id, params["token"] ?? "")),
    },
    {
      method: "POST",
      path: "/dashboard/people/:id/sessions/:session/removal",
      permission: "people.write",
      answer: changing(({ actor, params }, id) => people.endSession(actor, id, params["session"] ?? "")),
    },
    {
      method: "POST",
      path: "/dashboard/people/:id/totp-removal",
      permission: "people.write",
      answer: changing(({ actor }, id) => people.dropTotp(actor, id)),
    },
    {
      method: "POST",
      path: "/dashboard/people/:id/issuer-removal",
      permission: "people.write",
      async answer(visit) {
        try {
          const done = await people.unlink(visit.actor, idOf(visit), { issuer: visit.form.get("issuer") ?? "" });
          if (done === null) return visit.notFound();
          const { person, link } = done;
          return link === null
            ? redirect(pathOf(person.id))
            : await showOne(visit, linkShown(person.email, link.url), null, { status: 201 });
        } catch (error) {
          return await showOne(visit, null, refusalOf(error, labels), { status: 422 });
        }
      },
    },
    {
      method: "POST",
      path: "/dashboard/people/:id/removal",
      permission: "people.write",
      answer: changing(({ actor }, id) => people.remove(actor, id), "/dashboard/people"),
    },
  ];
}

const labels = { accountId: "Sees", object: "Sees" };

/** Nothing chosen is everything, which the service refuses to those who do not see it. */
const placeIn = ({ form }: Visit): string | null => form.get("accountId") || null;

/** What was typed into the form of a person; one that was left open gives back nothing that was taken meanwhile. */
function typedIn(visit: Visit): object {
  const { form } = visit;
  const typed = (field: string): boolean => form.has(field) && isTyped(form, field);
  const text = (field: string): string => (form.get(field) ?? "").trim();
  return {
    ...(typed("name") && { name: text("name") }),
    ...(typed("email") && { email: text("email") }),
    ...(typed("role") && { role: text("role") }),
    ...(typed("accountId") && { accountId: placeIn(visit) }),
  };
}

/** What the form of a new token shows. `refused`: a form that came back, this one or another. */
export const tokenFields = (refused: URLSearchParams | null): TokenFields =>
  shownFields({ name: "", expires: "" }, refused?.has("expires") ? refused : null).values;

export const tokenInput = (form: URLSearchParams, nowMs: number): object => {
  const { name = "", expires } = filled(form, ["name", "expires"]);
  return { name, ...(expires !== undefined && { expiresAt: parseLastDay(expires, nowMs, "Valid through") }) };
};

export const tokenShown = (name: string, secret: string): MadeSecret => ({
  title: `Token ${name} is ready`,
  secret,
  hint: "Copy it now: it is shown only here and only once.",
});

const linkShown = (email: string | null, secret: string): MadeSecret => ({
  title: `A link for ${email ?? "them"}`,
  secret,
  hint: "Hand it over yourself: whoever opens it sets the password. It works once, and is shown only here and only once.",
});
