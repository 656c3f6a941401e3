import type { ChatRequest, Tool, ToolCallPart, ToolChoice } from "../../chat/request.ts";
import type { JsonObject } from "../../chat/json.ts";
import { InputUnwrapper } from "./input-unwrapper.ts";
import type { Emit } from "./stream.ts";

export interface Wrapped {
  readonly request: ChatRequest;
  /** Takes the text of custom calls out of its wrapping again; `null`: there are no custom tools. */
  readonly restore: ((emit: Emit) => Emit) | null;
}

/** Tools that take free text, for targets that only know functions: a function with that text as its one argument. */
export function withFunctionsOnly(request: ChatRequest): Wrapped {
  const custom = new Set(request.tools.flatMap((tool) => (tool.type === "custom" ? tool.name : [])));
  const wasCalled = request.messages.some(({ parts }) =>
    parts.some((part) => part.type === "tool-call" && part.custom),
  );
  if (custom.size === 0 && !wasCalled) return { request, restore: null };
  return {
    request: {
      ...request,
      tools: request.tools.map(wrappedTool),
      toolChoice: request.toolChoice && wrappedChoice(request.toolChoice),
      messages: request.messages.map((message) => ({
        ...message,
        parts: message.parts.map((part) => (part.type === "tool-call" && part.custom ? wrappedCall(part) : part)),
      })),
    },
    restore: custom.size === 0 ? null : (emit) => unwrapping(custom, emit),
  };
}

function wrappedTool(tool: Tool): Tool {
  if (tool.type !== "custom") return tool;
  const { format, ...rest } = tool;
  return { ...rest, type: "function", description: describe(tool.description, format), parameters, strict: null };
}

const parameters: JsonObject = {
  type: "object",
  properties: { input: { type: "string", description: "The whole input of the tool, as free text." } },
  required: ["input"],
  additionalProperties: false,
};

/** The target cannot hold the text to a grammar; the model is told of it instead. */
function describe(description: string | null, format: JsonObject | null): string | null {
  if (format === null || format["type"] === "text") return description;
  const grammar = `The input must follow this grammar: ${JSON.stringify(format)}`;
  return description === null ? grammar : `${description}\n\n${grammar}`;
}

function wrappedChoice(choice: ToolChoice): ToolChoice {
  return choice.type === "tool" ? { type: "tool", name: choice.name } : choice;
}

function wrappedCall({ custom: _custom, ...call }: ToolCallPart): ToolCallPart {
  return { ...call, input: JSON.stringify({ input: call.input }) };
}

function unwrapping(custom: ReadonlySet<string>, emit: Emit): Emit {
  const open = new Map<string, InputUnwrapper>();
  return (event) => {
    if (event.type === "tool-input-start" && custom.has(event.name)) {
      open.set(`${event.candidate}/${event.index}`, new InputUnwrapper());
      return emit({ ...event, custom: true });
    }
    if (open.size === 0 || (event.type !== "tool-input-delta" && event.type !== "tool-input-end")) return emit(event);
    const key = `${event.candidate}/${event.index}`;
    const unwrapper = open.get(key);
    if (unwrapper === undefined) return emit(event);
    const text = event.type === "tool-input-delta" ? unwrapper.push(event.text) : unwrapper.end();
    const { candidate, index } = event;
    if (text !== "") emit({ type: "tool-input-delta", candidate, index, text });
    if (event.type !== "tool-input-end") return;
    open.delete(key);
    emit(event);
  };
}
