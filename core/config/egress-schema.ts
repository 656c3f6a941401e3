import { Type as t } from "@sinclair/typebox";

export const egressEntry = "a network as 10.0.0.0/8, an address, a host name, or *. with one";

/** Where requests may go whose address the file does not name. */
export const EgressSchema = t.Object(
  {
    allow: t.Array(t.String({ maxLength: 253, expected: egressEntry }), {
      maxItems: 1_000,
      default: [],
      description:
        "What may be reached beside the public internet where the address is not of this file but of the dashboard, the API or somebody's answer: networks (`10.0.0.0/8`), addresses, host names, `*.example.com` for all below one.",
    }),
  },
  {
    additionalProperties: false,
    default: {},
    description: "Where requests may go. What this file names itself is always allowed.",
  },
);
