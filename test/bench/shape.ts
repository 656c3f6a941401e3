/** What the load asks for, known to the load and the upstream. */

export const eventsPerStream = 200;
/** Time between two events of a paced stream. */
export const paceMs = 10;

const message = { role: "user", content: "y".repeat(900) };
const body = (more: object): string => JSON.stringify({ model: "mock/m", ...more, messages: [message] });

/** About 1 KB each. */
export const bodies = {
  json: body({}),
  burst: body({ stream: true }),
  paced: body({ stream: true, user: "paced" }),
} as const;
