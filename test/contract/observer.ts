import { describe, expect, test } from "bun:test";
import type { Awaitable, CallRecord, Observer } from "llm-proxy/plugin";
import { slotTrouble } from "../../core/plugin/slot-trouble.ts";
import { aCallRecord } from "./samples.ts";
import { testDeclared } from "./declared.ts";

export interface ObserverUnderTest {
  readonly observer: Observer;
  /** All it has written so far, one entry a call; absent where that cannot be read back, which must be declared. */
  readonly written?: () => Awaitable<readonly string[]>;
}

/** What every `observer` plugin must do. `create` makes a fresh one for each test. */
export function testObserver(
  create: () => Awaitable<ObserverUnderTest>,
  { skip = [] }: { readonly skip?: readonly "written"[] } = {},
): void {
  const written = async (...records: readonly CallRecord[]) => {
    const { observer, written: read } = await create();
    for (const record of records) await observer.callEnded?.(record);
    return (await read?.()) ?? [];
  };

  describe("observer contract", () => {
    testDeclared("the observer", skip, async () => ({ written: Boolean((await create()).written) }));

    test("is what the host takes", async () => {
      expect(slotTrouble("observer", (await create()).observer)).toBeNull();
    });

    test("takes a record of every status, with all that may be null", async () => {
      const { observer } = await create();
      for (const record of records) await observer.callEnded?.(record);
    });

    test("does not change the record", async () => {
      const { observer } = await create();
      const record = aCallRecord({ warnings: ["top_k was left out"] });
      const before = structuredClone(record);
      await observer.callEnded?.(record);
      expect(record).toEqual(before);
    });

    if (skip.includes("written")) return;

    test("writes one entry a call, failures too", async () => {
      expect(await written(...records)).toHaveLength(records.length);
    });

    test("writes no secret that came with the words of a client or upstream", async () => {
      const secrets = [
        "sk-llmp-0123456789ab-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGabcdef",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlc2ln",
      ];
      for (const secret of secrets) {
        const text = `asked with Bearer ${secret} and ${secret}`;
        const [entry = ""] = await written(
          aCallRecord({ model: text, upstreamModel: text, principal: text, warnings: [text] }),
        );
        expect(entry).not.toBe("");
        expect(entry).not.toContain(secret.slice(12, -4));
      }
    });
  });
}

const records: readonly CallRecord[] = [
  aCallRecord(),
  aCallRecord({ status: "client_aborted", httpStatus: 499, source: "estimated", costNano: null, chargeNano: null }),
  aCallRecord({
    status: "upstream_error",
    httpStatus: 502,
    errorKind: "upstream-invalid",
    usage: null,
    source: "none",
  }),
  aCallRecord({ status: "upstream_error", httpStatus: 500, errorKind: "internal", usage: null, source: "none" }),
  aCallRecord({
    status: "refused",
    httpStatus: 401,
    errorKind: "unauthenticated",
    principal: null,
    keyId: null,
    accountId: null,
    provider: null,
    upstreamModel: null,
    usage: null,
    source: "none",
    costNano: null,
    chargeNano: null,
    attempts: 0,
    tries: [],
    firstByteMs: null,
  }),
];
