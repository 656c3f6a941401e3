import { definePlugin, t, type ToldEvent } from "llm-proxy/plugin";
import { alertsOption } from "./alert-option.ts";
import { post } from "./post.ts";

/** https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks; Mattermost and others take the same. */
export default definePlugin({
  kind: "observer",
  name: "slack",
  api: 1,
  description: "Posts alerts to a channel of Slack, or of what takes the same messages.",
  config: t.Object(
    {
      url: t.String({
        pattern: "^https?://",
        expected: "an http(s) URL",
        writeOnly: true,
        description: "Of the incoming webhook; it is a secret.",
      }),
      events: alertsOption,
    },
    { additionalProperties: false },
  ),
  setup: ({ url, events }, { fetch, now }) => ({
    receiver: {
      events,
      async deliver([event], signal) {
        if (event === undefined) return;
        const headers = { "content-type": "application/json" };
        await post({ url, headers, body: JSON.stringify(messageOf(event)) }, { fetch, now, signal });
      },
    },
  }),
});

/** Slack's own bounds of a block's text. */
const maxText = 3_000;

function messageOf({ id, type, atMs, text }: ToldEvent): object {
  const line = escaped(text.slice(0, maxText / 5));
  return {
    text: line,
    blocks: [
      { type: "section", text: { type: "plain_text", text: line, emoji: false } },
      {
        type: "context",
        elements: [{ type: "plain_text", text: `${type} · ${new Date(atMs).toISOString()} · ${id}`, emoji: false }],
      },
    ],
  };
}

/** https://docs.slack.dev/messaging/formatting-message-text#escaping: else names could mention a whole channel. */
const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
