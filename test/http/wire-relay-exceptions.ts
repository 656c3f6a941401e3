/** Recorded exchanges that do not come through as they are, each with the reason. */
export const relayExceptions: readonly { readonly id: string; readonly reason: string }[] = [
  {
    id: "lingua--multimodalrequest-responses-followup-response-streaming--0-d78e1e",
    reason: "its events are of no protocol that OpenAI has described, so it breaks off and an error follows",
  },
];
