import { Type as t } from "@sinclair/typebox";
import { keyFields, sha256 } from "../config/key-fields.ts";
import { closed, keyContent, label, LimitsSchema, UsdSchema, WindowSchema } from "./schemas.ts";

const { models, operations, routes, cidrs, metadata } = keyFields;
const name = label("Shown in lists and records.");
const expiresAt = t.Integer({ minimum: 0, maximum: 8_640_000_000_000_000, description: "Epoch milliseconds." });
const shown = (description: string, maxLength: number) =>
  t.String({ pattern: `^[!-~]{1,${maxLength}}$`, expected: `1 to ${maxLength} printable characters`, description });

export const NewKeySchema = t.Object(
  {
    name,
    accountId: t.Optional(t.String({ minLength: 1, maxLength: 64, description: "Who pays; default `default`." })),
    models: t.Optional(models),
    operations: t.Optional(operations),
    routes: t.Optional(routes),
    expiresAt: t.Optional(expiresAt),
    cidrs: t.Optional(cidrs),
    metadata: t.Optional(metadata),
    budget: t.Optional(
      t.Object({ usd: UsdSchema, window: WindowSchema }, { ...closed, description: "A budget of its own." }),
    ),
    limits: t.Optional(LimitsSchema),
    content: keyContent,
    sha256: t.Optional(sha256),
    prefix: t.Optional(shown("With `sha256`: how it begins, as lists show it.", 24)),
    last4: t.Optional(shown("With `sha256`: how it ends, as lists show it.", 4)),
  },
  closed,
);

const orNull = <S extends Parameters<typeof t.Union>[0][number]>(schema: S, meaning: string) =>
  t.Optional(t.Union([schema, t.Null()], { description: `\`null\`: ${meaning}.` }));

export const KeyChangeSchema = t.Object(
  {
    name: t.Optional(name),
    models: orNull(models, "all"),
    operations: orNull(operations, "everything"),
    routes: orNull(routes, "every one"),
    expiresAt: orNull(expiresAt, "never"),
    cidrs: t.Optional(cidrs),
    metadata: t.Optional(metadata),
    limits: orNull(LimitsSchema, "none"),
    content: keyContent,
    disabled: t.Optional(t.Boolean({ description: "Refused from now on, until it is enabled again." })),
  },
  { ...closed, minProperties: 1 },
);

export const RotationSchema = t.Object(
  {
    graceSeconds: t.Integer({
      minimum: 0,
      maximum: 2_592_000,
      default: 0,
      description: "How long the secrets until now go on working beside the new one; 0: not at all.",
    }),
  },
  closed,
);
