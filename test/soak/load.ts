import { call, chat, type Reply } from "../support/clients.ts";
import { allUsage } from "../support/rows.ts";
import type { Setup } from "../support/setup.ts";

/** What calls answered with `answers(usage)` use. */
export const usage = { promptTokens: 17, completionTokens: 4 };

/** Calls without a pause, half of them streams, until it is told to stop. */
export interface Load {
  /** Ids of the calls whose client saw a good end. */
  readonly acknowledged: readonly string[];
  /** How many answers had which status; 0: no answer came. */
  readonly statuses: ReadonlyMap<number, number>;
  /** The newest answers, at most 1,000, with how long the first byte took. */
  readonly firstByteMs: readonly number[];
  stop(): Promise<void>;
}

export interface LoadOptions {
  readonly lanes: number;
  /** Alias or target that is asked. */
  readonly model?: string;
}

export function underLoad(
  { gateway, key }: Pick<Setup, "gateway" | "key">,
  { lanes, model = "mock/fast" }: LoadOptions,
): Load {
  const acknowledged: string[] = [];
  const statuses = new Map<number, number>();
  const firstByteMs: number[] = [];
  let stopped = false;

  async function lane(first: number): Promise<void> {
    for (let round = first; !stopped && gateway.running; round += 1) {
      const stream = round % 2 === 0;
      const startMs = performance.now();
      let seen = false;
      const onPiece = () => {
        if (!seen && firstByteMs.push(performance.now() - startMs) > 1_000) firstByteMs.shift();
        seen = true;
      };
      const body = chat(model, { stream, max_completion_tokens: 50 });
      const reply = await call(gateway, key.key, body, { onPiece }).catch(() => null);
      const status = reply?.status ?? 0;
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (reply && isAcknowledged(reply, stream)) acknowledged.push(reply.callId);
      // A refusal comes at once; without this the lane would do nothing else than ask again.
      if (status !== 200) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  const running = Promise.all(Array.from({ length: lanes }, (_, at) => lane(at)));
  return {
    acknowledged,
    statuses,
    firstByteMs,
    async stop() {
      stopped = true;
      await running;
    },
  };
}

/** A body the client saw to its end with status 200. */
export const isAcknowledged = (reply: Reply, stream: boolean): boolean =>
  reply.status === 200 && reply.complete && (stream ? reply.text.includes("data: [DONE]") : reply.text.endsWith("}"));

/** What is wrong with the records of the calls that were acknowledged. */
export function lost({ gateway }: Pick<Setup, "gateway">, ids: readonly string[]): readonly string[] {
  const rows = new Map(allUsage(gateway).map((row) => [row.call_id, row]));
  const wrong = ids.filter((id) => {
    const row = rows.get(id);
    return (
      row?.status !== "ok" || row.input_tokens !== usage.promptTokens || row.output_tokens !== usage.completionTokens
    );
  });
  return [
    ...(wrong.length > 0 ? [`${wrong.length} acknowledged calls are lost or wrong, e.g. ${wrong[0]}`] : []),
    ...(new Set(ids).size === ids.length ? [] : ["two calls have the same id"]),
  ];
}
