import { Type as t } from "@sinclair/typebox";
import { closed, exportFormat, millis, name, pageQuery } from "./schemas.ts";

const filter = {
  actor: name("Id of a person, or a kind of actor: `admin-token`, `config-file`, `command`, `process`, `nobody` …"),
  action: name("As `key.rotate`."),
  objectKind: name("As `key`, `account`, `budget`, `limit`, `person`, `price`, `session`, `token`."),
  objectId: name("Id of what was changed; with `objectKind`."),
  from: millis("Entries from then on."),
  to: millis("Entries before then."),
};

export const AuditQuerySchema = t.Object({ ...pageQuery, ...filter }, closed);
export const AuditExportSchema = t.Object({ ...exportFormat, ...filter }, closed);
export const VerifyQuerySchema = t.Object(
  {
    after: t.Optional(
      t.String({
        pattern: "^[0-9]{1,16}-[0-9a-f]{64}$",
        expected: "a sequence number and a hash, as 120-9f86…",
        description:
          "`next` of the answer before, or the `seq-hash` of a head that was kept elsewhere: goes on behind it, and finds it missing or changed.",
      }),
    ),
  },
  closed,
);
