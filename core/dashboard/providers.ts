import { segment } from "../../views/html.ts";
import { writtenCredential } from "../../views/provider-keys.ts";
import { providerNow, providerPage } from "../../views/provider.ts";
import { type ListedProvider, providerList, providersPage } from "../../views/providers.ts";
import { GatewayError } from "../chat/error.ts";
import { permits } from "../identity/policy.ts";
import { changesOf } from "./change.ts";
import { htmlResponse, wantsPart } from "./page.ts";
import { filled } from "./refusal.ts";
import type { PageDependencies, PageRoute, Visit } from "./route.ts";
import { isTyped, shownFields } from "./typed-fields.ts";

export function providerRoutes({ credentials, traffic, attempts, now }: PageDependencies): readonly PageRoute[] {
  const pathOf = (provider: string) => `/dashboard/providers/${segment(provider)}`;
  const providerOf = ({ params }: Visit) => params["name"] ?? "";
  async function listed(wanted: (name: string) => boolean = () => true): Promise<readonly ListedProvider[]> {
    const current = traffic();
    const providers = credentials.providers().filter(({ name }) => wanted(name));
    const lastDay = await attempts.lastDay(
      providers.map(({ name }) => name),
      now(),
    );
    return providers.map((provider) => ({
      ...provider,
      traffic: current.get(provider.name) ?? null,
      lastDay: lastDay.get(provider.name) ?? noAttempts,
    }));
  }
  const isStored = (visit: Visit, id: string): boolean =>
    credentials
      .providers()
      .some((provider) => provider.name === providerOf(visit) && provider.credentials.some((one) => one.id === id));
  const found = async (visit: Visit) => (await listed((name) => name === providerOf(visit)))[0] ?? null;

  /** `error.at`: the key that was to be changed, `null` for a new one. What was typed as a key is not shown again. */
  async function show(visit: Visit, error: { readonly at: string | null; readonly text: string } | null = null) {
    const provider = await found(visit);
    if (!provider) return visit.notFound();
    // It was removed while its form was open.
    if (error !== null && error.at !== null && !isStored(visit, error.at)) return visit.notFound();
    const formAt = (at: string | null) =>
      error !== null && error.at === at ? { form: visit.form, error: error.text } : { form: null, error: null };
    const csrf = permits(visit.actor, "credentials.write") ? visit.csrf : null;
    const over = spans.find((span) => span === visit.query.get("over")) ?? "hour";
    const model = visit.query.get("model") || null;
    const report = await attempts.report({
      provider: provider.name,
      over,
      nowMs: now(),
      ...(model !== null && { model }),
    });
    const main = providerPage({
      provider,
      attempts: { over, model, report },
      mayCall: permits(visit.actor, "test-calls.write"),
      making: { ...shownFields({ name: "", weight: "1" }, formAt(null).form), error: formAt(null).error },
      changing: provider.credentials.map((credential) => ({
        credential,
        ...shownFields(writtenCredential(credential), formAt(credential.id).form),
        error: formAt(credential.id).error,
      })),
      csrf,
      nowMs: now(),
    });
    return visit.page(provider.name, "providers", main, { status: error === null ? 200 : 422 });
  }

  // What changes a key, or makes one, ends on its provider's page.
  const changing = changesOf({
    pathOf: (visit) => pathOf(providerOf(visit)),
    again: (visit, text) => show(visit, { at: visit.params["id"] ?? null, text }),
  });

  return [
    {
      method: "GET",
      path: "/dashboard/providers",
      permission: "credentials.read",
      answer: async ({ request, page }) =>
        wantsPart(request)
          ? htmlResponse(providerList(await listed()))
          : page("Providers", "providers", providersPage(await listed())),
    },
    {
      method: "GET",
      path: "/dashboard/providers/:name",
      permission: "credentials.read",
      answer: async (visit) => {
        const provider = wantsPart(visit.request) ? await found(visit) : null;
        return provider ? htmlResponse(providerNow(provider, now())) : show(visit);
      },
    },
    {
      method: "POST",
      path: "/dashboard/providers/:name/credentials",
      permission: "credentials.write",
      answer: changing((visit) =>
        credentials.create(providerOf(visit), fieldsOf(visit.form, ["name", "apiKey", "weight"])),
      ),
    },
    {
      method: "POST",
      path: "/dashboard/providers/:name/credentials/:id",
      permission: "credentials.write",
      answer: changing(async (visit, id) => {
        const { form } = visit;
        const enabled = isTyped(form, "enabled") ? form.get("enabled") : null;
        const change = {
          ...fieldsOf(form, ["name", "weight"].filter((field) => isTyped(form, field)).concat("apiKey")),
          ...(enabled !== null && { enabled: enabled !== "no" }),
        };
        return Object.keys(change).length > 0 ? credentials.change(providerOf(visit), id, change) : isStored(visit, id);
      }),
    },
    {
      method: "POST",
      path: "/dashboard/providers/:name/credentials/:id/removal",
      permission: "credentials.write",
      answer: changing((visit, id) => credentials.remove(providerOf(visit), id)),
    },
  ];
}

const spans = ["hour", "day", "week"] as const;
const noAttempts = { ok: 0, failed: 0, limited: 0, refused: 0, left: 0, firstByteMs: null };

/** A field of a key that was left empty keeps the one there is. */
function fieldsOf(form: URLSearchParams, names: readonly string[]): Readonly<Record<string, string | number>> {
  const { weight, ...fields } = filled(form, names);
  if (weight === undefined) return fields;
  if (!/^\d{1,4}$/.test(weight)) throw new GatewayError("invalid-request", "Weight: a whole number from 1 to 1000.");
  return { ...fields, weight: Number(weight) };
}
