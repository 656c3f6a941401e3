import { describe, expect, test } from "bun:test";
import { isDeepStrictEqual } from "node:util";
import { GatewayError } from "../../core/chat/error.ts";
import type { JsonObject } from "../../core/chat/json.ts";
import type { ChatRequest, Part } from "../../core/chat/request.ts";
import type { Dialect } from "../../core/dialects/dialect.ts";
import { dialects } from "../../core/dialects/index.ts";
import { withFittingNames } from "../../core/pipeline/translate/tool-names.ts";
import { translated } from "../support/translated.ts";
import { wireFaults } from "../support/wirecheck.ts";
import { requestExceptions } from "./crossing-exceptions.ts";
import { clientRequestsOf, recordingsOf } from "./recordings.ts";

/**
 * Every recorded request of every dialect, and those of coding agents, asked of a target of each other dialect: what the
 * target is sent has all texts, calls, results and tools, and its vendor's own schema finds nothing wrong with it; or the
 * call is refused because it asks for what only its own vendor has.
 */
interface Asked {
  readonly id: string;
  readonly body: JsonObject;
  readonly stream: boolean;
}

for (const client of dialects.values()) {
  const recorded = recordingsOf(client.name).flatMap(({ id, request, stream, status }): readonly Asked[] =>
    request === null || status !== 200 ? [] : [{ id, body: request, stream }],
  );
  const asked = [
    ...recorded,
    ...clientRequestsOf(client.name).map(({ id, request }) => ({ id, body: request, stream: true })),
  ];
  describe.if(asked.length > 0)(`requests of ${client.name}`, () => {
    for (const target of [...dialects.values()].filter(({ name }) => name !== client.name)) {
      test(`to targets of ${target.name}: ${asked.length}`, async () => {
        const wrong: string[] = [];
        const excused = requestExceptions.filter(
          (one) => one.client === client.name && one.targets.includes(target.name),
        );
        const needed = new Set<string>();
        let refused = 0;
        for (const one of asked) {
          const fault = await faultOf(one, client, target);
          if (fault === "refused") refused++;
          else if (fault === null) continue;
          else if (excused.some(({ id }) => id === one.id)) needed.add(one.id);
          else wrong.push(`${one.id}: ${fault}`);
        }
        expect(wrong).toEqual([]);
        expect(excused.map(({ id }) => id).filter((id) => !needed.has(id))).toEqual([]);
        expect(refused).toBeLessThan(asked.length / 2);
      }, 60_000);
    }
  });
}

async function faultOf({ body, stream }: Asked, client: Dialect, target: Dialect): Promise<string | null> {
  const path = { model: "m", stream };
  const asked = client.decodeRequest(
    client.name === "gemini" || typeof body["model"] === "string" ? body : { ...body, model: "m" },
    path,
  );
  try {
    const request = await translated(asked, client, target);
    const sent = target.encodeRequest(request, "m").body;
    const faults = await wireFaults(`${target.name}/request`, sent);
    if (faults.length > 0) return `the vendor's schema: ${faults.join("; ")}`;
    return missing(asked, target.decodeRequest(sent, path), target);
  } catch (error) {
    if (error instanceof GatewayError && error.details.code === "not_carried") return "refused";
    return String(error).slice(0, 300);
  }
}

/** What the client said and the target does not hear. A system message may stand elsewhere, and texts may be joined. */
function missing(asked: ChatRequest, heard: ChatRequest, target: Dialect): string | null {
  const said = textsOf(asked).filter((text) => !text.startsWith("x-anthropic-billing-header:"));
  const all = textsOf(heard).join("\n");
  const lost = said.find((text) => !all.includes(text.trim()));
  if (lost !== undefined) return `lost the text ${JSON.stringify(lost.slice(0, 80))}`;
  const { request: named } = withFittingNames(asked, target.traits.toolName);
  for (const [what, of] of Object.entries({ calls, results, tools })) {
    if (!isDeepStrictEqual(of(named), of(heard)))
      return `${what}: should be ${shown(of(named))}, are ${shown(of(heard))}`;
  }
  return null;
}

const shown = (value: unknown) => JSON.stringify(value).slice(0, 200);
const partsOf = ({ messages }: ChatRequest): readonly Part[] => messages.flatMap(({ parts }) => parts);
const textsOf = (request: ChatRequest): readonly string[] =>
  partsOf(request).flatMap((part) => (part.type === "text" && part.text.trim() !== "" ? [part.text] : []));

/** Custom tools become functions with one text where the target has none. */
const calls = (request: ChatRequest) =>
  partsOf(request).flatMap((part) => {
    if (part.type !== "tool-call") return [];
    const input: unknown = part.custom ? { input: part.input } : JSON.parse(part.input || "{}");
    return [{ name: part.name, input: plainInput(input) }];
  });
const plainInput = (input: unknown) => (input === null ? {} : input);
const results = (request: ChatRequest) =>
  partsOf(request).flatMap((part) => (part.type === "tool-result" ? [part.id === "" ? "?" : "result"] : [])).length;
const tools = (request: ChatRequest) => request.tools.flatMap((tool) => (tool.type === "server" ? [] : [tool.name]));
