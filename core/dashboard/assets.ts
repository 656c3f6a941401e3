import { createHash } from "node:crypto";
import htmx from "htmx.org/dist/htmx.min.js" with { type: "text" };
import appScript from "../../views/assets/app.js" with { type: "text" };
import base from "../../views/assets/base.css" with { type: "text" };
import charts from "../../views/assets/charts.css" with { type: "text" };
import forms from "../../views/assets/forms.css" with { type: "text" };
import icon from "../../views/assets/icon.svg" with { type: "text" };
import narrow from "../../views/assets/narrow.css" with { type: "text" };
import panels from "../../views/assets/panels.css" with { type: "text" };
import route from "../../views/assets/route.css" with { type: "text" };
import tables from "../../views/assets/tables.css" with { type: "text" };

export interface Asset {
  readonly body: string;
  readonly type: string;
  readonly etag: string;
}

/** Every file that a page loads, by path. The name carries a hash of the content, so that it may be kept for ever. */
const files = new Map<string, Asset>();

/** Paths for the pages. */
export const assetPaths = {
  // In this order: later rules refine earlier ones, and those for narrow screens come last.
  style: add("app", "css", "text/css; charset=utf-8", base + panels + tables + forms + charts + route + narrow),
  // One file: htmx starts by itself right after it has loaded, and the separator ends a last line without a semicolon.
  script: add("app", "js", "text/javascript; charset=utf-8", `${htmx}\n;\n${appScript}`),
  icon: add("icon", "svg", "image/svg+xml", icon),
} as const;

/** Answers `GET /dashboard/assets/*`. */
export function serveAsset(request: Request): Response {
  const asset = files.get(new URL(request.url).pathname);
  if (asset === undefined)
    return new Response("Not found.\n", {
      status: 404,
      headers: { ...guards, "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" },
    });
  const headers = { ...guards, etag: asset.etag, "cache-control": "public, max-age=31536000, immutable" };
  if (request.headers.get("if-none-match") === asset.etag) return new Response(null, { status: 304, headers });
  return new Response(asset.body, { headers: { ...headers, "content-type": asset.type } });
}

function add(name: string, extension: string, type: string, body: string): string {
  const hash = createHash("sha256").update(body).digest("hex").slice(0, 16);
  const path = `/dashboard/assets/${name}-${hash}.${extension}`;
  files.set(path, { body, type, etag: `"${hash}"` });
  return path;
}

/** An asset is never a page, even when it is opened as one. */
const guards = {
  "content-security-policy": "default-src 'none'; sandbox",
  "cross-origin-resource-policy": "same-origin",
  "x-content-type-options": "nosniff",
} as const;
