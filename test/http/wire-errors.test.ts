import { afterAll, describe, expect, test } from "bun:test";
import { call, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { usageOf } from "../support/rows.ts";
import { whole } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { type Recording, recordings, responseBytes } from "../support/wire.ts";

/** Recorded refusals of providers, as the client gets them. */
const refused = recordings("openai-chat").filter(
  (recording) => recording.request?.body && recording.response.status !== 200,
);

const setup = await setUp();
refused.forEach((recording, index) =>
  setup.upstream.on(`e-${index}`, (exchange) =>
    whole(exchange, recording.response.status, responseBytes(recording), { "content-type": "application/json" }),
  ),
);
afterAll(() => setup.stop());

describe.if(refused.length > 0)("recorded errors", () => {
  refused.forEach((recording, index) => {
    test(`${recording.response.status} ${recording.id}`, async () => {
      const reply = await call(setup.gateway, setup.key.key, { ...recording.request?.body, model: `mock/e-${index}` });
      const error = errorOf(reply.text);
      const vendor = errorOfVendor(recording);
      if (setup.upstream.requestsFor(`e-${index}`).length === 0) {
        // What the vendor refuses for a wrong value, we may refuse before it does.
        expect([recording.response.status, reply.status]).toEqual([400, 400]);
        expect(usageOf(setup.gateway, reply.callId).status).toBe("refused");
        return;
      }
      if ([401, 403].includes(recording.response.status)) {
        // Our key is bad, not the client's; and the vendor's words may repeat the key.
        expect(reply.status).toBe(502);
        expect(error.message).not.toContain(String(vendor.message));
      } else {
        expect(reply.status).toBe(recording.response.status);
        expect(error.message).toBe(String(vendor.message));
        for (const field of ["type", "code", "param"] as const) {
          if (vendor[field] !== undefined && vendor[field] !== null) expect(error[field]).toBe(`${vendor[field]}`);
        }
      }
      expect(error.request_id).toBe(reply.callId);
      expect(usageOf(setup.gateway, reply.callId)).toMatchObject({
        status: "upstream_error",
        source: "none",
        cost_nano: 0,
        charge_nano: 0,
      });
      await invariants(setup);
    });
  });
});

function errorOfVendor(
  recording: Recording,
): Partial<Record<"message" | "type" | "code" | "param", string | number | null>> {
  const body = recording.response.body;
  const error = typeof body === "object" && body !== null && "error" in body ? body.error : null;
  if (typeof error !== "object" || error === null) throw new Error(`${recording.id} has no error object`);
  return error;
}
