import { type DryRunFields, type DryRunPage, dryRunPage } from "../../views/explain-form.ts";
import { GatewayError } from "../chat/error.ts";
import { permits } from "../identity/policy.ts";
import { refusalOf } from "./refusal.ts";
import type { PageDependencies, PageRoute } from "./route.ts";

/** What would become of a call. A form that asks and changes nothing, so its address can be passed on. */
export const explainRoutes = ({ database, explain, prices }: PageDependencies): readonly PageRoute[] => [
  {
    method: "GET",
    path: "/dashboard/explain",
    permission: "calls.read",
    async answer({ actor, query, page }) {
      const fields = fieldsOf(query);
      const [keys, accounts] = await Promise.all([
        database.keys.list({ limit: maxChoices }),
        database.accounts.list({ limit: maxChoices }),
      ]);
      // Which models there are is of the whole; whoever asks from an account knows the names of theirs.
      const models = permits(actor, "prices.read") ? prices.models({ limit: maxChoices }).data.map(({ id }) => id) : [];
      const asked = fields.model === "" ? { told: null, error: null } : await tell(fields, explain);
      return page(
        "What would become of a call",
        "calls",
        dryRunPage({
          fields,
          keys: keys.data.map((key) => ({ id: key.id, label: `${key.name} (…${key.last4})` })),
          accounts: accounts.data.map((account) => ({ id: account.id, label: account.name })),
          models,
          ...asked,
          names: new Map([...accounts.data, ...keys.data].map(({ id, name }) => [id, name])),
        }),
        { status: asked.error === null ? 200 : 422 },
      );
    },
  },
];

async function tell(
  { key, account, model, input, output, stream }: DryRunFields,
  explain: PageDependencies["explain"],
): Promise<Pick<DryRunPage, "told" | "error">> {
  try {
    const told = await explain.dryRun({
      model,
      stream,
      ...(key !== "" && { keyId: key }),
      ...(account !== "" && { accountId: account }),
      ...(input !== "" && { inputTokens: wholeOf(input, "Input tokens") }),
      ...(output !== "" && { maxOutputTokens: wholeOf(output, "The cap on the output") }),
    });
    return { told, error: null };
  } catch (error) {
    return { told: null, error: refusalOf(error) };
  }
}

function wholeOf(text: string, what: string): number {
  if (!/^[1-9]\d{0,7}$/.test(text)) throw new GatewayError("invalid-request", `${what}: a whole number above 0.`);
  return Number(text);
}

function fieldsOf(query: URLSearchParams): DryRunFields {
  const field = (name: string): string => (query.get(name) ?? "").trim();
  return {
    key: field("key"),
    account: field("account"),
    model: field("model"),
    input: field("input"),
    output: field("output"),
    stream: field("stream") === "yes",
  };
}

const maxChoices = 200;
