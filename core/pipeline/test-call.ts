import { isJsonObject, type Json } from "../chat/json.ts";
import { openaiChat } from "../dialects/openai-chat/index.ts";
import { isUpstream } from "./credentials.ts";
import { defaultCapField } from "./message.ts";
import type { CallDetail } from "../storage/database.ts";
import { ownAccount, ownAccounts } from "../storage/own-accounts.ts";
import type { Principal } from "../plugin/plugin.ts";
import type { Endpoint, Services } from "./services.ts";

/** What came of a call that somebody made to see whether a model answers. */
export interface TestedCall {
  readonly callId: string;
  /** As the caller of the call got it. */
  readonly httpStatus: number;
  /** The beginning of the answer; `null`: there was none. */
  readonly text: string | null;
  /** Why there was none, as a client is told. */
  readonly error: string | null;
  /** `null`: it could not be written. */
  readonly record: CallDetail | null;
}
/**
 * `model`: a name as a client may write it. `author`: the call is theirs, and of an account of its own: budgets, limits and
 * terms of others would say something of them, not of the model, and pay for it.
 */
export type TestCall = (model: string, author: string) => Promise<TestedCall>;
type Handle = (request: Request, endpoint: Endpoint, services: Services) => Promise<Response>;

const prompt = "Reply with the single word OK.";
/** Enough for a model that thinks a little first. */
const mostOutputTokens = 128;
/** Whoever waits sits before a page. */
const mostMs = 30_000;
const mostText = 200;

/** One small call through all that calls go through: it is limited, recorded, billed and told like any other. */
export const testCalls =
  (services: Services, handle: Handle): TestCall =>
  async (model, author) => {
    const accountId = await ownAccount(ownAccounts.testCalls, services.database.accounts, services.now);
    const principal: Principal = {
      name: author.slice(0, 255),
      keyId: null,
      accountId,
      models: "all",
      limits: {},
      labels: { made: "test call" },
    };
    const request = new Request("http://localhost/v1/chat/completions", {
      method: "POST",
      headers: {
        authorization: "Bearer test-call",
        "content-type": "application/json",
        "x-llm-proxy-timeouts": `total=${mostMs}`,
      },
      body: JSON.stringify({
        model,
        messages: [{ role: "user", content: prompt }],
        [capFieldOf(model, principal, services)]: mostOutputTokens,
      }),
    });
    const response = await handle(
      request,
      { dialect: openaiChat, operation: "chat" },
      {
        ...services,
        // Who asks has shown who they are; nothing of the request came over a connection.
        auth: [{ name: "test-call", slot: { authenticate: () => principal } }],
        addressGroupOf: () => null,
        keepOpen: () => {},
        closeIdle: () => {},
      },
    );
    const callId = response.headers.get("x-request-id") ?? "";
    const answer = parsed(await response.text());
    return {
      callId,
      httpStatus: response.status,
      text: response.ok ? textOf(answer) : null,
      error: response.ok ? null : messageOf(answer),
      record: await services.database.calls.get(callId),
    };
  };

/** What the target calls the cap, of which a relayed call is sent as it is; of an alias, the first it leads to. */
function capFieldOf(model: string, principal: Principal, { models }: Services): string {
  try {
    const [{ slot }] = models.resolve(model, principal, () => 0).targets;
    return (isUpstream(slot) && slot.maxOutputTokensField) || defaultCapField;
  } catch {
    // There is none; the call itself is told so.
    return defaultCapField;
  }
}

function parsed(text: string): Json {
  try {
    // What `JSON.parse` makes.
    return JSON.parse(text) as Json;
  } catch {
    return null;
  }
}

/** https://platform.openai.com/docs/api-reference/chat/object */
function textOf(answer: Json): string | null {
  const choices = isJsonObject(answer) ? answer["choices"] : null;
  const [choice] = Array.isArray(choices) ? choices : [];
  const message = isJsonObject(choice) ? choice["message"] : null;
  const content = isJsonObject(message) ? message["content"] : null;
  return typeof content === "string" ? content.slice(0, mostText) : null;
}

function messageOf(answer: Json): string {
  const error = isJsonObject(answer) ? answer["error"] : null;
  const message = isJsonObject(error) ? error["message"] : null;
  return typeof message === "string" ? message : "there was no answer";
}
