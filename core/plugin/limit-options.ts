import { Type as t } from "@sinclair/typebox";

const atMost = (description: string) => t.Optional(t.Integer({ minimum: 1, maximum: 1_000_000_000, description }));
const usdExpected = "an amount in USD above 0, with at most 7 digits before the point and 9 behind it";
const usd = (description: string) =>
  t.Optional(
    t.Union(
      [
        t.Number({ exclusiveMinimum: 0, maximum: 9_999_999 }),
        t.String({ pattern: "^(?=.*[1-9])\\d{1,7}(\\.\\d{1,9})?$", expected: usdExpected }),
      ],
      { expected: usdExpected, description },
    ),
  );

/** The fields of `Limits` as a schema: of plugins, of the config file and of the API. */
export const limitOptions = {
  requestsPerSecond: atMost("Calls a second."),
  requestsPerMinute: atMost("Calls a minute: at most this many at once, refilled evenly over a minute."),
  requestsPerHour: atMost("Calls an hour."),
  requestsPerDay: atMost("Calls a day."),
  tokensPerSecond: atMost("Input and output tokens a second."),
  tokensPerMinute: atMost(
    "Input and output tokens a minute. A call reserves what it will probably use and is corrected at its end.",
  ),
  tokensPerHour: atMost("Input and output tokens an hour."),
  tokensPerDay: atMost("Input and output tokens a day."),
  inputTokensPerSecond: atMost("Input tokens a second."),
  inputTokensPerMinute: atMost("Input tokens a minute."),
  inputTokensPerHour: atMost("Input tokens an hour."),
  inputTokensPerDay: atMost("Input tokens a day."),
  outputTokensPerSecond: atMost("Output tokens a second."),
  outputTokensPerMinute: atMost("Output tokens a minute."),
  outputTokensPerHour: atMost("Output tokens an hour."),
  outputTokensPerDay: atMost("Output tokens a day."),
  usdPerSecond: usd("USD charged a second."),
  usdPerMinute: usd("USD charged a minute. A call reserves what it will probably cost and is corrected at its end."),
  usdPerHour: usd("USD charged an hour."),
  usdPerDay: usd("USD charged a day."),
  concurrency: atMost("Calls that run at the same time."),
};
