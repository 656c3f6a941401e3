import type { TSchema } from "@sinclair/typebox";

/** Where a value stands among options, and what that says of it. */
export interface Place {
  /** All that it may have to follow, those of a union among them; empty where nothing is known of it. */
  readonly schemas: readonly TSchema[];
  /** Whether names tell secrets there. */
  readonly namesTell: boolean;
  /** It, or what it is in, is named like a secret. */
  readonly isNamed: boolean;
  /** It, or what it is in, is a secret by its schema (`writeOnly`). */
  readonly isHidden: boolean;
}

/** Of all options together. `null`: there are no secrets among them. */
export const placeOf = (schema: TSchema | null): Place => ({
  schemas: schema === null ? [] : branchesOf(schema),
  namesTell: schema !== null,
  isNamed: false,
  isHidden: false,
});

/** What is in a map or a list, each with its place. */
export function* partsOf(value: object, place: Place): Generator<readonly [name: string, part: unknown, place: Place]> {
  const isList = Array.isArray(value);
  for (const [name, part] of Object.entries(value)) {
    const schemas = place.schemas
      .flatMap((schema) => (isList ? itemSchemas(schema, Number(name)) : memberSchemas(schema, name)))
      .flatMap(branchesOf);
    const isNamed = place.isNamed || (place.namesTell && !isList && secretName.test(name));
    const isHidden = place.isHidden || schemas.some(({ writeOnly }) => writeOnly === true);
    yield [name, part, { ...place, schemas, isNamed, isHidden }];
  }
}

/** What is neither map nor list, however deep it stands. */
export function* leavesOf(
  value: unknown,
  place: Place,
): Generator<{ readonly value: unknown; readonly isSecret: boolean }> {
  if (typeof value !== "object" || value === null) {
    // Names tell of texts only: `tokensPerMinute` is a number.
    yield { value, isSecret: place.isHidden || (place.isNamed && typeof value === "string") };
    return;
  }
  for (const [, part, at] of partsOf(value, place)) yield* leavesOf(part, at);
}

/** With what HTTP sends a credential in. */
const secretName = /key|secret|token|password|credential|authorization|cookie|headers/i;

function memberSchemas(schema: TSchema, name: string): readonly TSchema[] {
  const properties: Readonly<Record<string, TSchema>> = schema.properties ?? {};
  const patterns: Readonly<Record<string, TSchema>> = schema.patternProperties ?? {};
  const others: TSchema | boolean | undefined = schema.additionalProperties;
  const own = [
    ...(Object.hasOwn(properties, name) ? [properties[name]] : []),
    ...Object.entries(patterns).map(([pattern, one]) => (new RegExp(pattern).test(name) ? one : undefined)),
  ].filter((one) => one !== undefined);
  return own.length > 0 ? own : schemasIn(others);
}

/** Of a list all items have the same schema, of a tuple each its own. */
function itemSchemas(schema: TSchema, at: number): readonly TSchema[] {
  const items: TSchema | readonly TSchema[] | undefined = schema.items;
  return schemasIn(isTuple(items) ? items[at] : items);
}

const isTuple = (items: TSchema | readonly TSchema[] | undefined): items is readonly TSchema[] => Array.isArray(items);

/** None where it says only whether there may be any. */
const schemasIn = (schema: TSchema | boolean | undefined): readonly TSchema[] =>
  typeof schema === "object" ? [schema] : [];

function branchesOf(schema: TSchema): readonly TSchema[] {
  const { anyOf = [], oneOf = [], allOf = [] } = schema;
  const parts: readonly TSchema[] = [...anyOf, ...oneOf, ...allOf];
  return [schema, ...parts.flatMap(branchesOf)];
}
