import { alertTypes, t } from "llm-proxy/plugin";

/** Which alerts a receiver for persons gets. Usage is for programs. */
export const alertsOption = t.Array(
  t.Union(
    alertTypes.map((type) => t.Literal(type)),
    { expected: `one of ${alertTypes.join(", ")}` },
  ),
  { minItems: 1, uniqueItems: true, default: [...alertTypes], description: "Which alerts are sent; default: all." },
);
