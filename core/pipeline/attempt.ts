import { GatewayError } from "../chat/error.ts";
import type { AttemptRow } from "../storage/attempt-row.ts";
import type { Call } from "./call.ts";
import type { KeyedRequest } from "./credentials.ts";
import type { RouteTarget } from "./models.ts";
import type { Tries } from "./tries.ts";

/** One try at one target, as it becomes known: what of it is told goes into the call's record. */
export class Attempt {
  /** Undecided until an answer has failed: an error inside a 200 answer is the client's to see when nothing comes after it. */
  readonly tries: Tries;
  warnings: readonly string[] = [];
  /** What it was sent with; `null`: no stored key. */
  key: KeyedRequest | null = null;
  readonly #row: { -readonly [Field in keyof AttemptRow]: AttemptRow[Field] };
  readonly #call: Call;
  readonly #now: () => number;

  constructor({ provider, model }: RouteTarget, call: Call, tries: Tries, now: () => number) {
    this.#row = { provider, upstreamModel: model, upstreamId: null, status: null, billed: false, tookMs: null };
    this.#call = call;
    this.#now = now;
    this.tries = tries;
  }

  sent(key: KeyedRequest | null): void {
    this.key = key;
    this.#row.sentMs = Math.max(this.#now() - this.#call.startedMs, 0);
    this.#call.attempts.push(this.#row);
    this.#call.isSent = true;
  }
  began(): void {
    this.#row.tookMs = this.#tookMs();
  }
  /** Of one that was never sent, its target was passed over. */
  failed(reason: unknown): void {
    const code = codeOf(reason);
    if (this.#row.sentMs === undefined) {
      (this.#call.passed ??= []).push([`${this.#row.provider}/${this.#row.upstreamModel}`, code]);
      return;
    }
    this.#row.tookMs = this.#tookMs();
    this.#row.fault = code;
  }
  status(status: number): void {
    this.#row.status = status;
  }
  warn(warnings: readonly string[]): void {
    this.warnings = warnings;
  }
  answered(upstreamId: string | null): void {
    this.#row.upstreamId = upstreamId;
  }

  #tookMs(): number {
    return Math.max(this.#now() - this.#call.startedMs - (this.#row.sentMs ?? 0), 0);
  }
}

const codeOf = (reason: unknown): string =>
  reason instanceof GatewayError ? (reason.details.code ?? reason.kind).slice(0, 64) : "internal";
