import type { RequestAudit } from "../../core/identity/request-audit.ts";

/** For surfaces whose audit log nobody looks at. */
export const noRequestAudit: RequestAudit = {
  refused: () => {},
  request: (_, __, work) => work(),
  close: async () => {},
};
