import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import OpenAI from "openai";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { toolAnswer } from "./conversation.ts";

/** An application with two tools, written with a vendor's SDK, that asks until there is an answer. */
export interface Loop {
  readonly name: string;
  readonly dialect: DialectName;
  run(at: { readonly url: string; readonly key: string; readonly model: string }): Promise<LoopResult>;
}

export interface LoopResult {
  /** The last answer. */
  readonly text: string;
  /** Each call of a tool, in order. */
  readonly called: readonly { readonly name: string; readonly args: unknown }[];
}

const question = "What is the weather in Rome, and when?";
const parameters = (property: string) => ({
  type: "object" as const,
  properties: { [property]: { type: "string" as const } },
  required: [property],
});
const schemas = { get_weather: parameters("city"), get_time: parameters("zone") };
export const tools = Object.entries(schemas).map(([name, schema]) => ({ name, schema, description: `Does ${name}.` }));

/** Runs the tools and remembers what was called. */
class Tools {
  readonly called: { readonly name: string; readonly args: unknown }[] = [];
  run(name: string, args: unknown): string {
    this.called.push({ name, args });
    return toolAnswer(name, args);
  }
}

const openaiRunner: Loop = {
  name: "openai chat.completions.runTools, streamed",
  dialect: "openai-chat",
  async run({ url, key, model }) {
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
    const own = new Tools();
    const runner = client.chat.completions.runTools({
      model,
      stream: true,
      messages: [{ role: "user", content: question }],
      tools: tools.map(({ name, schema, description }) => ({
        type: "function" as const,
        function: {
          name,
          description,
          parameters: schema,
          parse: JSON.parse,
          function: (args: unknown) => own.run(name, args),
        },
      })),
    });
    return { text: (await runner.finalContent()) ?? "", called: own.called };
  },
};

const anthropicRunner: Loop = {
  name: "@anthropic-ai/sdk beta.messages.toolRunner",
  dialect: "anthropic-messages",
  async run({ url, key, model }) {
    const client = new Anthropic({ baseURL: url, authToken: key, apiKey: null, maxRetries: 0 });
    const own = new Tools();
    const { content } = await client.beta.messages.toolRunner({
      model,
      max_tokens: 4_096,
      messages: [{ role: "user", content: question }],
      tools: tools.map(({ name, schema, description }) =>
        betaTool({ name, description, inputSchema: schema, run: (args: unknown) => own.run(name, args) }),
      ),
    });
    return { text: content.map((block) => (block.type === "text" ? block.text : "")).join(""), called: own.called };
  },
};

/** The vendors' own helpers that run tools. Loops by hand are those of `agents.ts`. */
export const runnerLoops: readonly Loop[] = [openaiRunner, anthropicRunner];
