import { withoutParameters } from "../../chat/parameters.ts";
import type { ChatRequest, Message } from "../../chat/request.ts";
import type { Dialect } from "../../dialects/dialect.ts";
import { inField, isInContent } from "../../dialects/openai-chat/reasoning.ts";
import type { ReasoningField, UpstreamTraits } from "../../plugin/plugin.ts";
import { sha256 } from "../../runtime/digest.ts";

/** A request of another dialect, and the sentences for what it lost. */
export interface Taken {
  readonly request: ChatRequest;
  readonly warnings: readonly string[];
}

/** Without what the target's dialect has words for and this upstream refuses. */
export function asUpstreamTakes(asked: ChatRequest, upstream: UpstreamTraits, dialect: Dialect): Taken {
  const { request, dropped } = withoutParameters(asked, upstream.refuses ?? []);
  const warnings: string[] = dropped.map((setting) => `${setting} is left out, because the provider refuses it`);
  if (!isOpenAis(dialect)) return { request, warnings };
  const user = shortUser(request.user, warnings);
  if (dialect.name === "openai-responses") return { request: { ...request, user }, warnings };
  const messages = withReasoningIn(upstream.reasoningField ?? "reasoning_content", request.messages, warnings);
  return {
    request: {
      ...request,
      user,
      stop: shortStop(request.stop, upstream.maxStop ?? Infinity, warnings),
      messages: upstream.developerRole === true ? messages : messages.map(asSystem),
    },
    warnings,
  };
}

export const isOpenAis = ({ name }: Dialect): boolean => name === "openai-chat" || name === "openai-responses";

/** https://platform.openai.com/docs/api-reference/chat/create: "string too long" is its answer to a longer one. */
const maxUser = 64;

/** Still the same for the same user. */
function shortUser(user: string | null, warnings: string[]): string | null {
  if (user === null || user.length <= maxUser) return user;
  warnings.push(`the end user's id is sent as its SHA-256, because it is longer than ${maxUser} characters`);
  return sha256(user, "hex");
}

function shortStop(stop: readonly string[], maxStop: number, warnings: string[]): readonly string[] {
  if (stop.length <= maxStop) return stop;
  warnings.push(`more than ${maxStop} stop sequences are left out, because the provider refuses them`);
  return stop.slice(0, maxStop);
}

const asSystem = (message: Message): Message =>
  message.role === "developer" ? { ...message, role: "system" } : message;

/** Signatures go with the text: whoever takes them takes `reasoning_content` too. */
function withReasoningIn(field: ReasoningField, messages: readonly Message[], warnings: string[]): readonly Message[] {
  if (field === "reasoning_content" || !messages.some(hasReasoning)) return messages;
  if (field === "none") warnings.push("the reasoning of earlier turns is left out, because the provider refuses it");
  return messages.flatMap((message) => {
    if (!hasReasoning(message)) return [message];
    const parts = message.parts.flatMap((part) => {
      if (part.type !== "reasoning" || isInContent(part)) return [part];
      return field === "none" ? [] : [inField(part, field)];
    });
    return parts.length === 0 ? [] : [{ ...message, parts }];
  });
}

const hasReasoning = ({ role, parts }: Message): boolean =>
  role === "assistant" && parts.some((part) => part.type === "reasoning" && !isInContent(part));
