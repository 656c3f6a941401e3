import { Type as t } from "@sinclair/typebox";
import type { TestCall } from "../pipeline/test-call.ts";
import { type ApiRoute, checked } from "./route.ts";
import { closed } from "./schemas.ts";

const TestCallSchema = t.Object(
  {
    model: t.String({
      minLength: 1,
      maxLength: 512,
      description: "As a client writes it: an alias, `instance/model`, or a bare name.",
    }),
  },
  closed,
);

export const testCallRoutes = (testCall: TestCall): readonly ApiRoute[] => [
  {
    method: "POST",
    path: "/api/models/test",
    permission: "test-calls.write",
    summary:
      "Make one small call to a model, in the name of whoever asks, through all that calls go through: it is recorded, limited and billed, to the account `test-calls`, which is made for them. The answer tells how it went, also when it failed.",
    body: TestCallSchema,
    async answer({ actor, body }) {
      const { record, ...told } = await testCall(checked(TestCallSchema, body).model, actor.name);
      return {
        ...told,
        status: record?.status ?? null,
        provider: record?.provider ?? null,
        upstreamModel: record?.upstreamModel ?? null,
        attempts: record?.attempts.length ?? null,
        finishReason: record?.finishReason ?? null,
        inputTokens: record?.inputTokens ?? null,
        outputTokens: record?.outputTokens ?? null,
        costNano: record?.costNano ?? null,
        chargeNano: record?.chargeNano ?? null,
        ttftMs: record?.ttftMs ?? null,
        durationMs: record?.durationMs ?? null,
      };
    },
  },
];
