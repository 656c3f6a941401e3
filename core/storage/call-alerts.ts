import { eq, lt } from "drizzle-orm";
import { printable } from "../chat/mask.ts";
import type { AlertWriter } from "./alert-writer.ts";
import { usdText } from "./alert-text.ts";
import type { Final } from "./database.ts";
import { callMarks } from "./schema/sqlite-outbox.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

/** Tells of calls whose usage was above their hold, or not credible: of each target once an hour, with how many more. */
export type CallAlerts = (callId: string, heldNano: number, final: Omit<Final, "callId">) => void;

const silentMs = 3_600_000;
const forgottenMs = 24 * silentMs;

/** Inside the transaction that ends the call. */
export function callAlerts(database: SqliteDatabase, writer: AlertWriter, now: () => number): CallAlerts {
  /** How many were not told since the last one; `null`: this one is not told either. */
  function untoldBefore(subject: string): number | null {
    const atMs = now();
    const mark = database.select().from(callMarks).where(eq(callMarks.subject, subject)).all()[0];
    if (mark && atMs - mark.toldMs < silentMs) {
      database
        .update(callMarks)
        .set({ untold: mark.untold + 1 })
        .where(eq(callMarks.subject, subject))
        .run();
      return null;
    }
    database
      .delete(callMarks)
      .where(lt(callMarks.toldMs, atMs - forgottenMs))
      .run();
    database
      .insert(callMarks)
      .values({ subject, toldMs: atMs, untold: 0 })
      .onConflictDoUpdate({ target: callMarks.subject, set: { toldMs: atMs, untold: 0 } })
      .run();
    return mark?.untold ?? 0;
  }

  return (callId, heldNano, { notes, provider, upstreamModel, chargeNano }) => {
    // Nearly every call ends as it should.
    if (!notes?.overHold && !notes?.anomalous) return;
    const target = `${provider}/${upstreamModel}`;
    const shown = printable(target, 200);
    if (notes.overHold && writer.takes("call.over_hold")) {
      const untold = untoldBefore(`over_hold ${target}`);
      const charge = chargeNano ?? 0;
      if (untold !== null)
        writer.put({
          type: "call.over_hold",
          line: `A call to ${shown} was charged ${usdText(charge)}, above the ${usdText(heldNano)} held for it.${more(untold)}`,
          data: { callId, provider, upstreamModel, heldNano, chargeNano: charge, untoldBefore: untold },
        });
    }
    if (notes.anomalous && writer.takes("call.anomalous")) {
      const untold = untoldBefore(`anomalous ${target}`);
      if (untold !== null)
        writer.put({
          type: "call.anomalous",
          line: `${shown} told a usage that cannot be true; what could be read of it was charged.${more(untold)}`,
          data: { callId, provider, upstreamModel, chargeNano, untoldBefore: untold },
        });
    }
  };
}

const more = (untold: number): string =>
  untold === 0 ? "" : ` The same of ${untold} more calls since this was told last.`;
