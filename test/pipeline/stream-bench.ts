import { setImmediate } from "node:timers/promises";
import { noUsage } from "llm-proxy/plugin";
import { admit } from "../../core/pipeline/admit.ts";
import { nothingMetered, type Source } from "../../core/pipeline/answer.ts";
import { type Call, openCall } from "../../core/pipeline/call.ts";
import { respond } from "../../core/pipeline/respond.ts";
import { nextOf, ReadFlow } from "../../core/runtime/upstream-response.ts";
import type { Framing } from "../../core/dialects/framing.ts";
import type { Metered } from "../../core/dialects/dialect.ts";
import { aPrincipal } from "../contract/samples.ts";
import { type Bench, chat } from "./bench.ts";

/** An upstream stream that says what a test lets it say. Ends like a real one when the call is aborted. */
interface FakeSource extends Source {
  /** How often it was asked for bytes. */
  readonly asked: { count: number };
  say(text: string): void;
  /** A frame that the client must not see. */
  hide(): void;
  /** The provider's own word on what was used: 10 tokens in, 20 out. */
  report(): void;
  /** What tells that the answer is complete (a finish reason, say), without the end of the connection. */
  complete(): void;
  /** The terminal event of the protocol, after which no usage is told. */
  terminate(): void;
  fault(message: string): void;
  end(): void;
  break(error: Error): void;
}

type Outcome = { readonly bytes: Uint8Array | null } | { readonly error: unknown };

function fakeSource(call: () => Call): FakeSource {
  let metered: Metered = nothingMetered;
  const ready: Outcome[] = [];
  const waiting: ((outcome: Outcome) => void)[] = [];
  let over: Outcome | null = null;
  const put = (outcome: Outcome) => {
    if (over) return;
    if ("error" in outcome || outcome.bytes === null) over = outcome;
    const next = waiting.shift();
    if (next) next(outcome);
    else ready.push(outcome);
    if (over) for (const left of waiting.splice(0)) left(over);
  };
  const asked = { count: 0 };
  let listening = false;
  const flow = new ReadFlow(async () => {
    asked.count += 1;
    if (!listening) {
      listening = true;
      const { signal } = call().abort;
      const stop = () => put({ error: signal.reason });
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop);
    }
    const outcome = ready.shift() ?? over ?? (await new Promise<Outcome>((resolve) => waiting.push(resolve)));
    if ("error" in outcome) throw outcome.error;
    return { value: outcome.bytes ?? undefined };
  });
  return {
    asked,
    metered: () => metered,
    next: (waiter) => flow.next(waiter),
    say(text) {
      metered = { ...metered, contentBytes: metered.contentBytes + text.length };
      put({ bytes: new TextEncoder().encode(`data: ${text}\n\n`) });
    },
    hide: () => put({ bytes: new Uint8Array() }),
    report: () =>
      void (metered = {
        ...metered,
        usage: { usage: { ...noUsage, inputTokens: 10, outputTokens: 20 }, anomalous: false },
      }),
    complete: () => void (metered = { ...metered, complete: true, finish: "stop" }),
    terminate: () => void (metered = { ...metered, complete: true, finish: "stop", isEnded: true }),
    fault: (message) => void (metered = { ...metered, fault: { message, type: null, code: null, param: null } }),
    end: () => put({ bytes: null }),
    break: (error) => put({ error }),
  };
}

export interface StartedStream {
  readonly call: Call;
  readonly source: FakeSource;
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  /** Everything the client reads from now on, to the end. */
  rest(): Promise<string>;
  /** The next piece. */
  read(): Promise<string | null>;
  /** The provider ends, and the client leaves. */
  stop(): Promise<void>;
  row(): Promise<Awaited<ReturnType<Bench["database"]["calls"]["get"]>>>;
}

/** A call that was admitted and whose answer has begun: `first` is on its way to the client. */
export async function startStream(bench: Bench, first = "one", framing: Framing = "sse"): Promise<StartedStream> {
  const { services } = bench;
  const call = openCall(null, chat, services);
  services.open.add(call);
  const text = JSON.stringify({
    model: "mock/one",
    stream: true,
    max_tokens: 100,
    messages: [{ role: "user", content: "hello" }],
  });
  const body = JSON.parse(text);
  const principal = (call.principal = aPrincipal({ keyId: null }));
  call.envelope = chat.dialect.readEnvelope(body, text.length);
  const route = services.models.resolve("mock/one", principal, services.random);
  call.admitted = await admit(call, principal, { text, body, envelope: call.envelope }, route, services);
  call.attempts.push({ provider: "mock", upstreamModel: "one", upstreamId: null, status: 200, billed: false });
  const source = fakeSource(() => call);
  source.say(first);
  const answered = await respond(
    call,
    { target: route.targets[0], answer: { kind: "stream", source, framing }, first: await nextOf(source) },
    services,
  );
  if (!answered.body) throw new Error("the answer has no body");
  const reader: ReadableStreamDefaultReader<Uint8Array> = answered.body.getReader();
  const read = async () => {
    const { done, value } = await reader.read();
    return done ? null : new TextDecoder().decode(value);
  };
  return {
    call,
    source,
    reader,
    read,
    async rest() {
      let all = "";
      for (let piece = await read(); piece !== null; piece = await read()) all += piece;
      return all;
    },
    async stop() {
      source.end();
      await reader.cancel();
    },
    row: async () => bench.database.calls.get(call.id),
  };
}

/** Lets everything run that can run without the outside. */
export async function turns(count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn++) await setImmediate();
}
