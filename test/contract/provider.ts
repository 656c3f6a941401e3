import { describe, expect, test } from "bun:test";
import { GatewayError } from "llm-proxy/plugin";
import type {
  Attempt,
  Awaitable,
  ChatEvent,
  ChatStream,
  ModelProvider,
  Provider,
  UpstreamProvider,
  UpstreamRequest,
} from "llm-proxy/plugin";
import { slotTrouble } from "../../core/plugin/slot-trouble.ts";
import { fakeContext } from "./context.ts";
import { grammarFault } from "./grammar.ts";
import { aChatRequest, anAttempt } from "./samples.ts";

type Context = ReturnType<typeof fakeContext>;

export interface UpstreamContract {
  readonly form: "upstream";
  /** The credentials in the options of the instance: they may be in headers only. */
  readonly secrets: readonly string[];
  /** What must be sent for an attempt, to the byte. */
  readonly golden?: readonly { readonly attempt: Attempt; readonly request: UpstreamRequest }[];
}

export interface ModelContract {
  readonly form: "model";
  /** A model that answers any message with at least two events of text. */
  readonly model: string;
  /** A model that the provider does not have; `null`: it passes any name on. */
  readonly unknownModel: string | null;
}

/** What every `provider` plugin must do. `create` makes one with the context it is given. */
export function testProvider(
  create: (context: Context) => Awaitable<Provider>,
  contract: UpstreamContract | ModelContract,
): void {
  if (contract.form === "model") return testModel(async (context) => modelForm(await create(context)), contract);
  return testUpstream(async (context) => upstreamForm(await create(context)), contract);
}

function upstreamForm(provider: Provider): UpstreamProvider {
  if ("request" in provider) return provider;
  throw new Error("this provider is of the model form");
}

function modelForm(provider: Provider): ModelProvider {
  if ("chat" in provider) return provider;
  throw new Error("this provider is of the upstream form");
}

function testUpstream(
  create: (context: Context) => Promise<UpstreamProvider>,
  { secrets, golden = [] }: UpstreamContract,
): void {
  const send = async (context: Context, changed: Partial<Attempt> = {}) => {
    const provider = await create(context);
    return Promise.all(
      provider.dialects.flatMap((dialect) =>
        [true, false].map(async (stream) => provider.request(anAttempt({ dialect, stream, ...changed }))),
      ),
    );
  };

  describe("provider contract, upstream form", () => {
    test("is what the host takes", async () => {
      expect(slotTrouble("provider", await create(fakeContext()))).toBeNull();
    });

    test("request sends nothing", async () => {
      const context = fakeContext();
      await send(context);
      expect(context.seen.fetched).toEqual([]);
    });

    test("the URL is absolute http(s), without credentials", async () => {
      for (const { url } of await send(fakeContext())) {
        const { protocol, username, password } = new URL(url);
        expect(protocol).toMatch(/^https?:$/);
        expect([username, password]).toEqual(["", ""]);
        for (const secret of secrets) expect(decodeURIComponent(url)).not.toContain(secret);
      }
    });

    test("the credentials are in the headers, and headers can be sent", async () => {
      for (const { headers } of await send(fakeContext())) {
        expect(() => new Headers(headers)).not.toThrow();
        for (const secret of secrets) expect(Object.values(headers).join("\n")).toContain(secret);
      }
    });

    test("the upstream's model and what the client said arrive", async () => {
      for (const { url, body } of await send(fakeContext(), { model: "some/model-1" })) {
        expect(decodeURIComponent(url) + body).toContain("some/model-1");
        expect(body).toContain("Hello");
      }
    });

    test("a model's name leads nowhere else", async () => {
      const provider = await create(fakeContext());
      for (const dialect of provider.dialects) {
        const plain = new URL((await provider.request(anAttempt({ dialect, model: "plain-model" }))).url);
        const [before = ""] = plain.pathname.split("plain-model");
        for (const model of hostileModels) {
          const url = await urlOf(provider, anAttempt({ dialect, model }));
          if (url === null) continue;
          const { origin, pathname, search, hash } = new URL(url);
          expect({ model, origin, search, hash }).toEqual({
            model,
            origin: plain.origin,
            search: plain.search,
            hash: "",
          });
          expect(pathname.startsWith(before)).toBe(true);
          expect(pathname.split("/").length).toBeGreaterThanOrEqual(plain.pathname.split("/").length);
        }
      }
    });

    test("an operation that it does not offer is refused as the request's fault", async () => {
      const refused = await outcomes(await create(fakeContext()));
      for (const error of refused) expect(error).toMatchObject({ kind: "invalid-request" });
    });

    test("the credentials are in no log line and no error", async () => {
      const context = fakeContext();
      const refused = await outcomes(await create(context));
      for (const secret of secrets)
        for (const text of [...refused.map(({ message }) => message), ...context.seen.logged])
          expect(text).not.toContain(secret);
    });

    test.each(golden.map(({ attempt, request }) => [attempt.dialect, attempt, request] as const))(
      "%s: sends exactly what is expected",
      async (_dialect, attempt, request) => {
        const provider = await create(fakeContext());
        expect(await provider.request(attempt)).toEqual(request);
      },
    );
  });
}

const operations = ["chat", "embeddings", "count-tokens", "images", "audio", "moderation", "rerank"] as const;
const hostileModels = [
  "../x",
  "a/../../x",
  "a/../../../x",
  "./x",
  "/x",
  "x/",
  "x?a=b",
  "x#b",
  "%2e%2e/x",
  "..%2fx",
  "a\\..\\x",
  "\ud800",
];

/** `null`: it refuses the attempt. */
async function urlOf(provider: UpstreamProvider, attempt: Attempt): Promise<string | null> {
  try {
    return (await provider.request(attempt)).url;
  } catch (error) {
    if (error instanceof GatewayError) return null;
    throw error;
  }
}

/** What it refuses of every operation in every dialect it speaks. Anything thrown but a GatewayError fails. */
async function outcomes(provider: UpstreamProvider): Promise<readonly GatewayError[]> {
  const refused: GatewayError[] = [];
  for (const dialect of provider.dialects)
    for (const operation of operations)
      try {
        await provider.request(anAttempt({ operation, dialect }));
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error;
        refused.push(error);
      }
  return refused;
}

function testModel(create: (context: Context) => Promise<ModelProvider>, { model, unknownModel }: ModelContract): void {
  const chat = async (signal: AbortSignal, name = model): Promise<ChatStream> => {
    const provider = await create(fakeContext());
    const call = { callId: "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", model: name, signal };
    const events = provider.chat(aChatRequest({ model: name }), call);
    // An `await` here would hide that the host awaits nothing.
    if (events instanceof Promise) throw new TypeError("chat() returned a promise instead of its events");
    return events;
  };
  const never = new AbortController().signal;

  describe("provider contract, model form", () => {
    test("is what the host takes", async () => {
      expect(slotTrouble("provider", await create(fakeContext()))).toBeNull();
    });

    test("the events keep their grammar", async () => {
      expect(grammarFault(await collect(await chat(never)))).toBeNull();
    });

    test("usage is reported in whole tokens", async () => {
      const end = (await collect(await chat(never))).at(-1);
      if (end?.type !== "response-end" || end.usage === null) throw new Error("expected usage in response-end");
      for (const tokens of Object.values(end.usage.usage))
        expect(Number.isSafeInteger(tokens) && tokens >= 0).toBe(true);
      expect(end.usage.usage.outputTokens).toBeGreaterThan(0);
    });

    test("two calls at the same time do not mix", async () => {
      const [alone, ...together] = await Promise.all([
        collect(await chat(never)),
        collect(await chat(never)),
        collect(await chat(never)),
      ]);
      for (const events of together) expect(textOf(events)).toBe(textOf(alone ?? []));
    });

    test("stops when the call is aborted, before its first event and in its middle", async () => {
      for (const eventsBefore of [0, 2]) {
        const controller = new AbortController();
        const events: ChatEvent[] = [];
        try {
          if (eventsBefore === 0) controller.abort();
          for await (const event of await chat(controller.signal)) {
            events.push(event);
            if (events.length === eventsBefore) controller.abort();
          }
        } catch {
          // To throw is to stop, too.
        }
        expect(events.length).toBeLessThanOrEqual(eventsBefore + 1);
        expect(events.some(({ type }) => type === "response-end")).toBe(false);
      }
    });

    if (unknownModel !== null)
      test("an unknown model is model-not-found", async () => {
        const error = await Promise.try(async () => collect(await chat(never, unknownModel))).catch(
          (thrown: unknown) => thrown,
        );
        expect(error).toMatchObject({ kind: "model-not-found" });
      });
  });
}

const collect = async (events: ChatStream): Promise<readonly ChatEvent[]> => Array.fromAsync(events);
const textOf = (events: readonly ChatEvent[]): string =>
  events.map((event) => (event.type === "text-delta" ? event.text : "")).join("");
