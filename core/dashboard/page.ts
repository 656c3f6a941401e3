import { GatewayError } from "../chat/error.ts";
import { failure, notice } from "../../views/failure.ts";
import type { Html } from "../../views/html.ts";
import { layout, type Shell } from "../../views/layout.ts";
import { assetPaths } from "./assets.ts";

export interface PageOptions {
  /** What the page shows, for those who may read what was done to it. */
  readonly history?: { readonly kind: string; readonly id: string };
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Any HTML that leaves the dashboard, whole or part, goes through here. */
export function htmlResponse(markup: Html, { status = 200, headers = {} }: PageOptions = {}): Response {
  return new Response(markup.value, { status, headers: { ...pageHeaders, ...headers } });
}

/** A whole page around `main`. */
export function page(shell: Omit<Shell, "assets">, main: Html, options: PageOptions = {}): Response {
  // Browsers ignore this header over plain http and call it an error in their console; the banner tells such a page.
  const isolation = shell.banner === null ? isolated : {};
  return htmlResponse(layout({ ...shell, assets: assetPaths }, main), {
    ...options,
    headers: { ...isolation, ...options.headers },
  });
}

/** An error as a page, or as a line in the open page when htmx asked. The text is sent as it is: nothing secret in it. */
export function errorPage(
  request: Request,
  status: number,
  version: string,
  message = defaultMessage(status),
  { allow, back = null }: { readonly allow?: readonly string[]; readonly back?: string | null } = {},
): Response {
  const headers = allow ? { allow: allow.join(", ") } : {};
  if (request.headers.get("hx-request") === "true") {
    return htmlResponse(notice(message), {
      status,
      headers: { ...headers, "hx-retarget": "#notice", "hx-reswap": "innerHTML" },
    });
  }
  const heading = headings[status] ?? "This did not work";
  return page({ title: heading, section: null, csrf: null, version, banner: null }, failure(heading, message, back), {
    status,
    headers,
  });
}

/** Turns a `GatewayError` into its page; anything else is a bug and goes on. */
export async function answerErrors(
  request: Request,
  version: string,
  answer: () => Promise<Response>,
): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return errorPage(request, error.status, version, error.message);
  }
}

/** Whether htmx asked for the part that it will swap, not for a page. */
export const wantsPart = (request: Request): boolean => request.headers.get("hx-request-type") === "partial";

/** Sends a browser to a path of this site; `path` is never taken from a request as it came. */
export function redirect(path: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(null, { status: 303, headers: { ...pageHeaders, ...isolated, location: path, ...headers } });
}

const isolated = { "cross-origin-opener-policy": "same-origin" } as const;

const pageHeaders = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "font-src 'self'",
    "form-action 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "x-frame-options": "DENY",
  "x-content-type-options": "nosniff",
  // Not `no-referrer`: with it browsers send `Origin: null` from our own forms.
  "referrer-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "cache-control": "no-store",
  vary: "Cookie, Authorization, HX-Request",
} as const;

const headings: Readonly<Record<number, string>> = {
  400: "This was not understood",
  403: "Not allowed",
  404: "Not found",
  405: "Not like this",
  413: "Too large",
  415: "Not a form",
  429: "Too many tries",
  500: "Something went wrong",
  503: "Not available right now",
};

const defaultMessage = (status: number): string =>
  messages[status] ?? "Something went wrong. The log of the proxy says more.";

const messages: Readonly<Record<number, string>> = {
  403: "This request did not come from a page of this dashboard, or the page is too old. Load it again and retry.",
  404: "There is nothing here, or not any more.",
  405: "This address does not take this kind of request.",
  503: "The proxy cannot read its storage right now. Try again in a moment.",
};
