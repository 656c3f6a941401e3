import { type TProperties, Type as t } from "@sinclair/typebox";

/** An object that knows all its keys, and is there with its defaults when the file leaves it out. */
export const closed = <P extends TProperties>(properties: P, description?: string) =>
  t.Object(properties, {
    additionalProperties: false,
    default: {},
    ...(description === undefined ? {} : { description }),
  });

/** A longer timer than this fires at once. */
export const maxTimerMs = 2_147_483_647;
export const milliseconds = (value: number, description: string) =>
  t.Integer({ minimum: 1, maximum: maxTimerMs, default: value, description });
