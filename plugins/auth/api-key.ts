import { definePlugin, t } from "llm-proxy/plugin";

export default definePlugin({
  kind: "auth",
  name: "api-key",
  api: 1,
  description: "Keys that core issues and keeps, of the form sk-llmp-….",
  config: t.Object({}, { additionalProperties: false }),
  setup: (_options, { keys }) => ({ authenticate: (credential, request) => keys.find(credential, request) }),
});
