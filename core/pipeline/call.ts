import type { GatewayError } from "../chat/error.ts";
import type { Envelope, Metered } from "../dialects/dialect.ts";
import type { Principal } from "../plugin/plugin.ts";
import { Abort } from "../runtime/abort.ts";
import type { AttemptRow } from "../storage/attempt-row.ts";
import type { Admitted } from "./admit.ts";
import type { Bill } from "./bill.ts";
import type { RouteTarget } from "./models.ts";
import type { Keeping } from "./keeping.ts";
import type { OwnTimeouts } from "./timeouts.ts";
import type { CallContent } from "./content/log.ts";
import type { Endpoint, Services } from "./services.ts";

/** One client request, from its arrival to its final record. Stages add what they find; `settle` reads it all. */
export interface Call {
  /** `x-request-id`; ours, never the client's or an upstream's. */
  readonly id: string;
  readonly endpoint: Endpoint;
  readonly startedMs: number;
  /** The same by the clock of the watch, which never steps: what is waited for is measured from here. */
  readonly arrivedMs: number;
  /** Aborts the attempt in flight; each attempt has its own. The reason is a GatewayError. */
  abort: Abort;
  /** Why no further attempt may be made: the client's drain is over, or the process stops. */
  stopped: GatewayError | null;
  principal: Principal | null;
  /** The account and its parents, nearest first, as they were at the start; empty until they are known. */
  accounts: readonly string[];
  envelope: Envelope | null;
  admitted: Admitted | null;
  /** `null`: prompt and answer are not kept. */
  content: CallContent | null;
  /** Counted against the memory for bodies until the answer begins. */
  heldBodyBytes: number;
  /** It is the first one with its `Idempotency-Key`; `null`: it has none. */
  keeping: Keeping | null;
  /** What the caller itself allows; `null`: it says nothing. */
  ownTimeouts: OwnTimeouts | null;
  readonly attempts: AttemptRow[];
  /** Targets that were not asked, and the code of the reason; `null`: none. */
  passed: (readonly [target: string, code: string])[] | null;
  /** What was reckoned for a call that was then not admitted. */
  refusedBill: Bill | null;
  /** What the last attempt had told of itself when it failed; `null`: nothing. */
  spoilt: Metered | null;
  readonly warnings: string[];
  readonly timings: Record<string, number>;
  /** From `startedMs` to the first byte of the answer. */
  firstByteMs: number | null;
  /** The client has left; what still arrives is read for its usage only. */
  clientGone: boolean;
  /** Between two attempts, or queued for a provider: nothing of it is upstream. */
  waits: boolean;
  /** The latest attempt was sent, and its provider has not failed it: whatever ends the call now, that may be billed. */
  isSent: boolean;
  /** Whose load it is counted in; `null`: in none, or nobody looks. */
  busyTarget: RouteTarget | null;
  /** Has got its final record: whatever comes later changes nothing. */
  ended: boolean;
  /** It copies the call of a client; `null`: it is one. */
  shadow: ShadowOf | null;
  /** Whose connection it came on; `null`: not over HTTP. */
  readonly request: Request | null;
  /** Whose client may leave before the answer is on its way; `null`: it is, or there is none. */
  client: Request | null;
  /** Ends the reading of an answer nobody waits for. */
  drainTimer: ReturnType<typeof setTimeout> | null;
}

export interface ShadowOf {
  readonly callId: string;
  /** Nobody pays for it, whatever it costs. */
  readonly isFree: boolean;
  readonly clientHeaders: Readonly<Record<string, string>>;
}

export const openCall = (
  request: Request | null,
  endpoint: Endpoint,
  services: Pick<Services, "now" | "newId"> & { readonly watch: Pick<Services["watch"], "now"> },
): Call => {
  const startedMs = services.now();
  return {
    id: services.newId(),
    endpoint,
    startedMs,
    arrivedMs: services.watch.now(),
    abort: new Abort(),
    stopped: null,
    principal: null,
    accounts: [],
    envelope: null,
    admitted: null,
    content: null,
    heldBodyBytes: 0,
    keeping: null,
    ownTimeouts: null,
    attempts: [],
    passed: null,
    refusedBill: null,
    spoilt: null,
    warnings: [],
    timings: {},
    firstByteMs: null,
    clientGone: false,
    waits: false,
    isSent: false,
    busyTarget: null,
    ended: false,
    shadow: null,
    request,
    client: request,
    drainTimer: null,
  };
};

/** Ends whatever the call is waiting for. */
export function stopCall(call: Call, reason: GatewayError): void {
  call.stopped ??= reason;
  call.abort.abort(reason);
}
