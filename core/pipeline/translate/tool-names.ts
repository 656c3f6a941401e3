import type { ChatRequest, Tool, ToolChoice } from "../../chat/request.ts";
import { shortName } from "./short-name.ts";
import type { Emit } from "./stream.ts";

export interface Renamed {
  readonly request: ChatRequest;
  /** Gives the tools of an answer their names back; `null`: none was changed. */
  readonly restore: ((emit: Emit) => Emit) | null;
}

/** Names of tools as the target allows them: in the list, the choice and the history alike. */
export function withFittingNames(request: ChatRequest, pattern: RegExp): Renamed {
  const misfits = new Set([...namesIn(request)].filter((name) => !pattern.test(name)));
  if (misfits.size === 0) return { request, restore: null };
  const fitting = new Map([...misfits].map((name) => [name, shortName(name, pattern, maxNameLength)]));
  const original = new Map([...fitting].map(([name, short]) => [short, name]));
  const nameOf = (name: string): string => fitting.get(name) ?? name;
  return {
    request: renamed(request, nameOf),
    restore: (emit) => (event) =>
      emit(event.type === "tool-input-start" ? { ...event, name: original.get(event.name) ?? event.name } : event),
  };
}

/** The least that any vendor allows. */
const maxNameLength = 64;

function* namesIn({ tools, toolChoice, messages }: ChatRequest): Generator<string> {
  for (const tool of tools) if (tool.type !== "server") yield tool.name;
  if (toolChoice?.type === "tool") yield toolChoice.name;
  else yield* toolChoice?.allowed ?? [];
  for (const { parts } of messages) for (const part of parts) if (part.type === "tool-call") yield part.name;
}

function renamed(request: ChatRequest, nameOf: (name: string) => string): ChatRequest {
  return {
    ...request,
    tools: request.tools.map((tool): Tool => (tool.type === "server" ? tool : { ...tool, name: nameOf(tool.name) })),
    toolChoice: request.toolChoice && renamedChoice(request.toolChoice, nameOf),
    messages: request.messages.map((message) =>
      message.parts.some(({ type }) => type === "tool-call")
        ? {
            ...message,
            parts: message.parts.map((part) =>
              part.type === "tool-call" ? { ...part, name: nameOf(part.name) } : part,
            ),
          }
        : message,
    ),
  };
}

function renamedChoice(choice: ToolChoice, nameOf: (name: string) => string): ToolChoice {
  if (choice.type === "tool") return { ...choice, name: nameOf(choice.name) };
  return choice.allowed ? { ...choice, allowed: choice.allowed.map(nameOf) } : choice;
}
