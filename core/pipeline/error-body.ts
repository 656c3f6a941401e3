import type { ErrorDetails, GatewayError } from "../chat/error.ts";
import type { ErrorBody } from "../dialects/dialect.ts";
import type { Call } from "./call.ts";

/** An error of a call as its client may see it. */
export const bodyOf = (call: Call, error: GatewayError): ErrorBody => ({
  kind: error.kind,
  status: error.status,
  message: error.message,
  requestId: call.id,
  details: publicDetails(error.details),
});

const publicDetails = ({ cause: _, use: __, ...details }: ErrorDetails): ErrorDetails => details;
