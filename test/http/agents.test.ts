import { afterAll, describe, expect, test } from "bun:test";
import type { JsonObject } from "../../core/chat/json.ts";
import type { Dialect } from "../../core/dialects/dialect.ts";
import { dialects } from "../../core/dialects/index.ts";
import { call } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { sendRaw } from "../support/raw.ts";
import { sse } from "../support/scripts.ts";
import { SdkReader } from "../support/sdk-summaries.ts";
import { setUp } from "../support/setup.ts";
import { spokenStream, type Turn } from "../support/spoken.ts";
import { type AgentRequest, agentRequests } from "../support/wire.ts";

/**
 * What Claude Code, Codex, Gemini CLI and opencode really sent, before a provider of every dialect. Their recordings are
 * not part of the repository; where they are absent nothing is tested here, and it is said.
 */
const setup = await setUp({ dialects: dialects.keys() });
const reader = await SdkReader.start();
afterAll(async () => {
  reader.stop();
  await setup.stop();
});

const recorded = agentRequests();
const calls = recorded.flatMap((agent) => {
  const dialect = [...dialects.values()].find(({ name }) => name === agent.endpoint_dialect);
  return dialect && agent.request.method === "POST" ? [{ agent, dialect }] : [];
});
const turn: Turn = { text: "There is one file.", usage: { input: 20_000, output: 6 } };

for (const { agent, dialect } of calls)
  describe(agent.id, () => {
    for (const target of dialects.values())
      test(`before ${target.name}`, async () => {
        const upstreamModel = `${agent.id}-before-${target.name}`;
        setup.upstream.on(upstreamModel, sse(spokenStream(target.name, turn)));

        // A call of these dialects is a JSON object.
        const asked = agent.request.body as JsonObject;
        const reply = await send(agent, asked, `mock-${target.name}/${upstreamModel}`);
        expect({ status: reply.status, error: reply.status === 200 ? null : reply.text }).toEqual({
          status: 200,
          error: null,
        });
        expect(await reader.read(dialect.name, reply.text, true)).toMatchObject({
          text: "There is one file.",
          finish: "stop",
          usage: { input: 20_000, output: 6 },
        });

        const [got, ...more] = setup.upstream.requestsFor(upstreamModel);
        if (!got) throw new Error("The provider was not asked.");
        expect(more).toEqual([]);
        expect(got.request.head).not.toContain(setup.key.key);
        // The tests send JSON objects only.
        const body = got.json as JsonObject;
        if (target === dialect) {
          expect(body).toEqual({ ...asked, ...(dialect.name === "gemini" ? {} : { model: upstreamModel }) });
          for (const name of dialect.traits.requestHeaders)
            expect(got.request.headers[name]).toBe(agent.request.headers[name]);
        } else {
          expect(toolsOf(target, body)).toEqual(toolsOf(dialect, asked));
          expect(got.request.body.includes("x-anthropic-billing-header")).toBe(false);
          // Codex offers a search that OpenAI runs: another provider cannot, and the client is told.
          const offersSearch = JSON.stringify(asked["tools"] ?? "").includes('"web_search"');
          if (offersSearch)
            expect(reply.headers.get("x-llm-proxy-warnings")).toContain("a tool that another provider runs");
        }
      });
  });

describe("what is not a call", () => {
  for (const { id, request } of recorded.filter((agent) => !calls.some((other) => other.agent === agent)))
    test(`${id}: ${request.method} ${request.path}`, async () => {
      const answer = await sendRaw(setup.gateway.url, {
        method: request.method,
        path: request.path,
        headers: { ...withKey(request.headers), ...(request.headers["upgrade"] ? { connection: "Upgrade" } : {}) },
        body: request.body ? JSON.stringify(request.body) : "",
      });
      // Bedrock's and Vertex's own paths are not spoken.
      const expected = request.path === "/" ? 200 : request.path === "/v1/responses" ? 426 : 404;
      expect(answer?.status).toBe(expected);
    });
});

test("no request of an agent is left out, and every call is recorded with its exact tokens", async () => {
  if (recorded.length > 0) expect([recorded.length, calls.length]).toEqual([39, 25]);
  await invariants(setup);
});

function send({ request, endpoint_dialect: dialect }: AgentRequest, body: JsonObject, model: string) {
  const inPath = dialect === "gemini";
  return call(setup.gateway, null, inPath ? body : { ...body, model }, {
    path: inPath ? request.path.replace(/models\/[^:]+/, `models/${model}`) : request.path,
    headers: withKey(request.headers),
  });
}

const withKey = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.replace("<dummy>", setup.key.key)]));

/** The names of the functions that a request offers, as `dialect` reads it. */
function toolsOf(dialect: Dialect, body: JsonObject): readonly string[] {
  const { tools } = dialect.decodeRequest(body, { model: "any", stream: true });
  return tools.flatMap((tool) => (tool.type === "server" ? [] : [tool.name]));
}
