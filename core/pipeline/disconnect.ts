import { GatewayError } from "../chat/error.ts";
import { type Call, stopCall } from "./call.ts";
import type { Services } from "./services.ts";

/**
 * What happens when the client leaves: the upstream is still read for a while, because its usage is what it will bill,
 * then aborted. One rule for every moment: before the answer, between its bytes, and for whole answers. Returns the
 * end of the watch over the request; a stream goes on being watched through its `cancel`.
 */
export function watchDisconnect(request: Request, call: Call, services: Services): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const cut = () => stopCall(call, new GatewayError("upstream-invalid", "the client left", { code: "client_left" }));

  call.startDrain = () => {
    const { disconnectDrainMs, maxDrains } = services.settings;
    if (timer !== undefined || call.ended) return;
    if (disconnectDrainMs === 0 || services.drains.size >= maxDrains) {
      cut();
      return;
    }
    services.drains.add(call);
    timer = setTimeout(cut, disconnectDrainMs);
  };
  call.onEnd = () => {
    clearTimeout(timer);
    services.drains.delete(call);
    services.open.delete(call);
    services.closeIdle(request);
  };
  const gone = () => {
    if (call.ended) return;
    call.clientGone = true;
    // Nothing has been sent upstream yet: there is no usage to wait for.
    if (call.admitted) call.startDrain();
    else cut();
  };
  request.signal.addEventListener("abort", gone, { once: true });
  return () => {
    request.signal.removeEventListener("abort", gone);
    if (call.heldBodyBytes > 0) services.overload.releaseBody(call.heldBodyBytes);
  };
}
