import { type Context, GatewayError } from "llm-proxy/plugin";

/** What is read of an answer, and for how long: it says nothing that is needed, but lets the connection be used again. */
const maxAnswerBytes = 64 * 1024;
const maxAnswerMs = 1_000;

/** Posts, and throws unless it is answered 2xx. No redirect is followed, and no answer read beyond its bounds. */
export async function post(
  { url, headers, body }: { readonly url: string; readonly headers: Record<string, string>; readonly body: string },
  { fetch, now, signal }: Pick<Context, "fetch" | "now"> & { readonly signal: AbortSignal },
): Promise<void> {
  const abort = new AbortController();
  const stop = () => abort.abort();
  signal.addEventListener("abort", stop);
  try {
    const request = new Request(url, {
      method: "POST",
      headers: { ...headers, "accept-encoding": "identity", "user-agent": "llm-proxy" },
      body,
      signal: abort.signal,
      redirect: "manual",
    });
    const response = await fetch(request);
    const fault = faultOf(response, now());
    await drained(response).catch(() => {});
    if (fault) throw fault;
  } finally {
    signal.removeEventListener("abort", stop);
    // Whatever is still to come of the answer: only this ends its connection.
    abort.abort();
  }
}

function faultOf({ status, headers }: Response, nowMs: number): GatewayError | null {
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400)
    return new GatewayError("unavailable", `HTTP ${status}: redirects are not followed`);
  const asked = askedSeconds(headers.get("retry-after") ?? "", nowMs);
  const details = asked > 0 ? { retryAfterSeconds: asked } : {};
  return new GatewayError("unavailable", `HTTP ${status}`, details);
}

/** RFC 9110 §10.2.3: seconds, or a date. 0: neither, or a time that is over. */
function askedSeconds(text: string, nowMs: number): number {
  const seconds = /^\d+$/.test(text) ? Number(text) : Math.ceil((Date.parse(text) - nowMs) / 1_000);
  return Number.isFinite(seconds) ? Math.max(seconds, 0) : 0;
}

/** The answer's body to its end, or to the bounds. */
async function drained({ body }: Response): Promise<void> {
  if (body === null) return;
  const reader = body.getReader();
  let late: ReturnType<typeof setTimeout> | undefined;
  const tooLate = new Promise<null>((resolve) => (late = setTimeout(() => resolve(null), maxAnswerMs)));
  try {
    for (let bytes = 0; bytes <= maxAnswerBytes;) {
      const part = await Promise.race([reader.read(), tooLate]);
      if (part === null || part.done) return;
      bytes += part.value.byteLength;
    }
  } finally {
    clearTimeout(late);
    void reader.cancel().catch(() => {});
  }
}
