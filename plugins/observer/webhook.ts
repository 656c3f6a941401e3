import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { alertTypes, definePlugin, GatewayError, t, type ToldEvent, usageTypes } from "llm-proxy/plugin";
import { post } from "./post.ts";

const eventOption = t.Union(
  [...alertTypes, ...usageTypes].map((type) => t.Literal(type)),
  { expected: `one of ${[...alertTypes, ...usageTypes].join(", ")}` },
);

/** Signed as Standard Webhooks say: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
export default definePlugin({
  kind: "observer",
  name: "webhook",
  api: 1,
  description: "Posts alerts and usage to an address of yours, signed, each until it is taken.",
  config: t.Object(
    {
      url: t.String({
        pattern: "^https?://",
        expected: "an http(s) URL",
        description: "Where events are posted.",
        writeOnly: true,
      }),
      secret: t.String({
        minLength: 1,
        writeOnly: true,
        description: "Signs every request: text, or `whsec_` and base64, better of 24 bytes and more.",
      }),
      events: t.Array(eventOption, {
        minItems: 1,
        uniqueItems: true,
        default: [...alertTypes],
        description: "What is sent; default: the alerts.",
      }),
      batch: t.Integer({
        minimum: 1,
        maximum: 1_000,
        default: 1,
        description: "Events of usage in one request. Above 1 every request has a list of them.",
      }),
    },
    { additionalProperties: false },
  ),
  check: ({ secret }) => void keyOf(secret),
  setup({ url, secret, events, batch }, { fetch, now }) {
    const key = keyOf(secret);
    return {
      receiver: {
        events,
        batch,
        async deliver(told, signal) {
          const id = idOf(told);
          const body = JSON.stringify(bodyOf(told, batch > 1));
          const seconds = String(Math.floor(now() / 1_000));
          const headers = {
            "content-type": "application/json",
            "webhook-id": id,
            "webhook-timestamp": seconds,
            "webhook-signature": `v1,${createHmac("sha256", key).update(`${id}.${seconds}.${body}`).digest("base64")}`,
          };
          await post({ url, headers, body }, { fetch, now, signal });
        },
      },
    };
  },
});

function keyOf(secret: string): Buffer {
  const key = secret.startsWith("whsec_") ? Buffer.from(secret.slice("whsec_".length), "base64") : Buffer.from(secret);
  // An empty key is one that everybody knows.
  if (key.byteLength === 0 || secret.trim() === "")
    throw new GatewayError("invalid-request", "secret: nothing to sign with");
  return key;
}

/** Of a list its first one's, and how many: the same list has the same id when it is sent again. */
const idOf = (told: readonly ToldEvent[]): string => {
  const id = told[0]?.id ?? "";
  return told.length > 1 ? `${id}+${told.length - 1}` : id;
};

const bodyOf = (told: readonly ToldEvent[], inLists: boolean): object => {
  const [first] = told;
  const isUsage = first?.type === "usage.call" || first?.type === "usage.adjustment";
  return inLists && isUsage ? { type: "batch", events: told.map(one) } : { ...(first && one(first)) };
};

const one = ({ id, type, atMs, text, data }: ToldEvent): object => ({
  id,
  type,
  timestamp: new Date(atMs).toISOString(),
  text,
  data,
});
