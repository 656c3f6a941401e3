import { keyRotationChecked, type AccountTermsModel } from "../../views/account-terms.ts";
import { GatewayError } from "../chat/error.ts";
import { operations } from "../dialects/dialect.ts";
import { type AccountTerms, openTerms } from "../storage/account-terms.ts";
import type { AccountRow } from "../storage/database.ts";
import { labelOf } from "./refusal.ts";
import type { DashboardDatabase } from "./route.ts";
import { isTyped, marksOf, shownFields } from "./typed-fields.ts";
import { parseMetadata, wordsOf, writtenMetadata, writtenWords } from "./written-text.ts";

/** `line`: the account and those above it. `form`: what was typed and refused; `null`: nothing was. */
export function accountTermsModel(
  line: readonly Pick<AccountRow, "id" | "name">[],
  { accountTerms }: Pick<DashboardDatabase, "accountTerms">,
  form: URLSearchParams | null,
): AccountTermsModel {
  const own = accountTerms.of(line[0]?.id ?? "") ?? openTerms;
  const allowed = own.operations === "all" ? [] : operations.filter((name) => own.operations.includes(name));
  const chosen: readonly string[] = form?.getAll("operations") ?? allowed;
  const written = {
    models: textOf(own.models),
    providers: textOf(own.providers),
    uncappedOutputTokens: own.uncappedOutputTokens === null ? "" : String(own.uncappedOutputTokens),
    metadata: writtenMetadata(own.metadata),
  };
  const shown = shownFields(written, form);
  return {
    values: shown.values,
    operations: operations.map((name) => ({ name, chosen: chosen.includes(name) })),
    keyRotation: form ? form.has("keyRotation") : own.keyRotation,
    marks: {
      ...shown.marks,
      ...marksOf({ operations: allowed.join(","), keyRotation: own.keyRotation ? keyRotationChecked : "" }, form),
    },
    said: line.flatMap(({ id, name }, at) =>
      said(accountTerms.of(id) ?? openTerms).map((one) => ({ ...one, account: name, own: at === 0 })),
    ),
    open: form !== null,
  };
}

const said = ({
  models,
  providers,
  operations: asked,
  uncappedOutputTokens,
  keyRotation,
  metadata,
  metadataBelow,
}: AccountTerms): readonly { readonly what: string; readonly words: string }[] => [
  ...(models === "all" ? [] : [{ what: "models", words: models.join(", ") }]),
  ...(providers === "all" ? [] : [{ what: "providers", words: providers.join(", ") }]),
  ...(asked === "all" ? [] : [{ what: "operations", words: asked.join(", ") }]),
  ...(uncappedOutputTokens === null
    ? []
    : [{ what: "output cap of calls without one:", words: `${uncappedOutputTokens} tokens` }]),
  ...(keyRotation ? [] : [{ what: "keys", words: "do not rotate themselves" }]),
  ...metadataSaid("metadata", metadata, (name) => !metadataBelow.includes(name)),
  ...metadataSaid("metadata that its people set, no alias goes by it:", metadata, (name) =>
    metadataBelow.includes(name),
  ),
];

function metadataSaid(what: string, metadata: AccountTerms["metadata"], isMeant: (name: string) => boolean) {
  const meant = Object.entries(metadata).filter(([name]) => isMeant(name));
  return meant.length === 0 ? [] : [{ what, words: writtenMetadata(Object.fromEntries(meant)) }];
}

/** What was typed, as the API takes it. Throws `invalid-request` with a message for the form. */
export function parseAccountTerms(form: URLSearchParams): object {
  const list = (field: string) => {
    const words = wordsOf(form.get(field) ?? "", labelOf(field));
    return words.length > 0 ? words : null;
  };
  const tokens = (form.get("uncappedOutputTokens") ?? "").trim();
  if (tokens !== "" && !/^\d{1,8}$/.test(tokens))
    throw new GatewayError("invalid-request", "Output cap of calls without one: a whole number of tokens, or nothing.");
  const chosen = form.getAll("operations");
  return {
    ...(isTyped(form, "models") && { models: list("models") }),
    ...(isTyped(form, "providers") && { providers: list("providers") }),
    ...(isTyped(form, "operations") && { operations: chosen.length > 0 ? chosen : null }),
    ...(isTyped(form, "uncappedOutputTokens") && { uncappedOutputTokens: tokens === "" ? null : Number(tokens) }),
    ...(isTyped(form, "keyRotation") && { keyRotation: form.has("keyRotation") }),
    ...(isTyped(form, "metadata") && { metadata: parseMetadata(form.get("metadata") ?? "") }),
  };
}

const textOf = (list: readonly string[] | "all"): string => (list === "all" ? "" : writtenWords(list));
