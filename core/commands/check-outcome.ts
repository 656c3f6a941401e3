import type { CheckOutcome } from "../api/config-service.ts";
import type { Config, FileLimit } from "../config/config.ts";
import { defaultAccount } from "../plugin/default-account.ts";
import type { Wanted } from "./wanted.ts";

/** What there is to tell of a config that is right, as far as the file alone says. */
export const rightOutcome = ({ loaded, resolved }: Wanted): Extract<CheckOutcome, { ok: true }> => ({
  ok: true,
  file: loaded.file,
  instances: resolved.length,
  unchecked: [
    ...knownToTheDatabase(loaded.config),
    ...resolved.flatMap(({ kind, name, unchecked }) => unchecked.map((place) => `${kind}.${name}.${place}`)),
  ],
});

function knownToTheDatabase({ keys, limits }: Config): readonly string[] {
  const elsewhere = keys.filter(({ account }) => account !== defaultAccount).map(({ name }) => name);
  const isUnknown = ({ kind, id }: FileLimit["scope"]) =>
    id !== null &&
    (kind === "key" ? keys.every(({ name }) => name !== id) : kind === "account" && id !== defaultAccount);
  const limited = limits.flatMap(({ scope }, at) => (isUnknown(scope) ? [`limits[${at}]`] : []));
  return [
    ...(elsewhere.length > 0 ? [`the accounts of the keys ${elsewhere.join(", ")}`] : []),
    ...(limited.length > 0 ? [`the account or key of ${limited.join(", ")}`] : []),
  ];
}
