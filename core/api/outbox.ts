import { missing } from "../chat/error.ts";
import type { Outbox } from "../outbox/outbox.ts";
import type { Database } from "../storage/database.ts";
import type { AlertRow, DeadLetter, DeliveryRow, ReceiverState } from "../storage/outbox.ts";
import { type ApiRoute, checkedQuery } from "./route.ts";
import { PageQuerySchema } from "./schemas.ts";

export interface OutboxRouteDependencies {
  readonly database: Pick<Database, "outbox">;
  readonly outbox: Pick<Outbox, "test">;
  readonly now: () => number;
}

export const outboxRoutes = ({ database, outbox, now }: OutboxRouteDependencies): readonly ApiRoute[] => [
  {
    method: "GET",
    path: "/api/alerts",
    permission: "outbox.read",
    summary: "List alerts with where and when each was delivered, newest first.",
    query: PageQuerySchema,
    async answer({ query }) {
      const page = await database.outbox.alerts(checkedQuery(PageQuerySchema, query));
      return { data: page.data.map(alertAnswer), next: page.next };
    },
  },
  {
    method: "GET",
    path: "/api/outbox",
    permission: "outbox.read",
    summary: "List the receivers of events: what waits for each, what failed, and what was given up.",
    answer: async () => ({ data: (await database.outbox.receivers()).map(receiverAnswer), next: null }),
  },
  {
    method: "GET",
    path: "/api/outbox/:receiver/dead",
    permission: "outbox.read",
    summary: "List the events that a receiver did not take for three days, the last given up first.",
    query: PageQuerySchema,
    async answer({ params, query }) {
      const page = await database.outbox.deadLetters(params.receiver ?? "", checkedQuery(PageQuerySchema, query));
      return { data: page.data.map(deadAnswer), next: page.next };
    },
  },
  {
    method: "POST",
    path: "/api/outbox/:receiver/retry",
    permission: "outbox.write",
    summary: "Try at once what failed for a receiver, and again what was given up.",
    async answer({ params }) {
      const receiver = params.receiver ?? "";
      if (!(await database.outbox.receivers()).some(({ name }) => name === receiver)) missing();
      return { receiver, retried: await database.outbox.retry(receiver, null, now()) };
    },
  },
  {
    method: "POST",
    path: "/api/outbox/:receiver/dead/:event/retry",
    permission: "outbox.write",
    summary: "Try one event again that was given up.",
    async answer({ params }) {
      const receiver = params.receiver ?? "";
      const retried = await database.outbox.retry(receiver, params.event ?? "", now());
      if (retried === 0) missing();
      return { receiver, retried };
    },
  },
  {
    method: "POST",
    path: "/api/outbox/:receiver/test",
    permission: "outbox.write",
    summary: "Send a test event to a receiver, at once and once; says whether it was taken, or why not.",
    async answer({ params }) {
      const receiver = params.receiver ?? "";
      const error = await outbox.test(receiver);
      if (error === undefined) missing();
      return { receiver, delivered: error === null, error };
    },
  },
];

const alertAnswer = ({ createdMs, deliveries, ...row }: AlertRow) => ({
  ...row,
  createdAt: createdMs,
  deliveries: deliveries.map(deliveryAnswer),
});

const deliveryAnswer = ({ nextMs, endedMs, ...row }: DeliveryRow) => ({ ...row, nextAt: nextMs, endedAt: endedMs });

const receiverAnswer = ({ oldestMs, nextMs, lastErrorMs, lastDeliveredMs, ...row }: ReceiverState) => ({
  ...row,
  oldestAt: oldestMs,
  nextAt: nextMs,
  lastErrorAt: lastErrorMs,
  lastDeliveredAt: lastDeliveredMs,
});

const deadAnswer = ({ sinceMs, endedMs, ...row }: DeadLetter) => ({ ...row, since: sinceMs, endedAt: endedMs });
