import type { Outbox } from "../outbox/outbox.ts";
import { watchClients } from "../pipeline/disconnect.ts";
import { within } from "../plugin/deadline.ts";
import type { CallServices } from "./call-services.ts";
import { expireCredits } from "./expiry.ts";
import { saveRegularly } from "./save-ratios.ts";
import { sweepAnswers } from "./sweep-answers.ts";
import { sweepContent } from "./sweep-content.ts";

/** A receiver that does not end must not keep the process from ending. */
const lastDeliveriesMs = 1_000;

/** What goes on beside the calls while the process serves. Returns what ends it, and writes what is still to be written. */
export function startBackground(services: () => CallServices, outbox: Outbox): () => Promise<void> {
  const { database, content, ratios, logger, now } = services();
  outbox.start();
  const stops = [
    watchClients(services),
    expireCredits(database, logger),
    sweepAnswers(database, logger, now),
    sweepContent(content, logger),
  ];
  const stopSaving = saveRegularly(ratios);
  return async () => {
    for (const stop of stops) stop();
    await content.close();
    await within(lastDeliveriesMs, () => outbox.stop()).catch(() => {});
    await stopSaving();
  };
}
