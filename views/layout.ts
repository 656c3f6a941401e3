import { formFields } from "./form-fields.ts";
import { html, type Html } from "./html.ts";
import { name } from "./text.ts";

/** What every page has around its own content. */
export interface Shell {
  readonly title: string;
  /** The place in the navigation; `null`: not signed in, and no navigation. */
  readonly section:
    | "overview"
    | "usage"
    | "calls"
    | "keys"
    | "accounts"
    | "budgets"
    | "limits"
    | "prices"
    | "providers"
    | "ledger"
    | "alerts"
    | "people"
    | "audit"
    | "config"
    | "me"
    | null;
  readonly assets: { readonly style: string; readonly script: string; readonly icon: string };
  /** Token of the session for requests that change something; `null`: not signed in. */
  readonly csrf: string | null;
  /** Who is signed in, and the pages that their role does not open. */
  readonly visitor?: {
    readonly name: string;
    readonly closed: readonly string[];
    /** May change nothing but what is their own: forms are not shown, and would be refused. */
    readonly onlyReads: boolean;
  };
  /** `key`: the holder of a key is signed in, who has one page and a way out of its own. Absent: a person. */
  readonly session?: "person" | "key";
  readonly version: string;
  /** A warning that stays on every page. */
  readonly banner: string | null;
}

export function layout(shell: Shell, main: Html): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${shell.title} · LLM Proxy</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<meta name="htmx-config" content="${htmxConfig}">
<link rel="icon" type="image/svg+xml" href="${shell.assets.icon}">
<link rel="stylesheet" href="${shell.assets.style}">
<script src="${shell.assets.script}" defer></script>
</head>
<body${shell.csrf !== null && html` hx-headers:inherited="${JSON.stringify({ "x-csrf-token": shell.csrf })}"`}>
<a class="skip" href="#main">Skip to the content</a>
${shell.section !== null && header(shell)}
${shell.banner !== null && html`<p class="banner" role="note">${shell.banner}</p>`}
<div id="notice" aria-live="polite"></div>
<main id="main"${shell.visitor?.onlyReads === true && shell.section !== "me" && html` class="reads"`}>${main}</main>
<footer><span>LLM Proxy ${shell.version}</span><span>All times are UTC</span></footer>
</body>
</html>`;
}

const header = ({ section, csrf, visitor, session = "person" }: Shell): Html => html`<header class="top">
  <a class="brand" href="${homes[session]}">LLM Proxy</a>
  <nav aria-label="Pages">${sections
    .filter(([id]) => session === "person" && visitor?.closed.includes(id) !== true)
    .map(
      ([id, href, label]) => html`<a href="${href}"${id === section && html` aria-current="page"`}>${label}</a>`,
    )}</nav>
  <a class="self" href="${selves[session]}"${section === "me" && html` aria-current="page"`}>${visitor === undefined ? "My account" : name(visitor.name, 24)}</a>
  <form method="post" action="${exits[session]}">${formFields(csrf)}<button class="plain">Sign out</button></form>
</header>`;

const homes = { person: "/dashboard", key: "/dashboard/me/key" } as const;
const selves = { person: "/dashboard/me", key: "/dashboard/me/key" } as const;
const exits = { person: "/dashboard/logout", key: "/dashboard/me/key/logout" } as const;

const sections = [
  ["overview", "/dashboard", "Overview"],
  ["usage", "/dashboard/usage", "Usage"],
  ["calls", "/dashboard/calls", "Calls"],
  ["keys", "/dashboard/keys", "Keys"],
  ["accounts", "/dashboard/accounts", "Accounts"],
  ["budgets", "/dashboard/budgets", "Budgets"],
  ["limits", "/dashboard/limits", "Limits"],
  ["prices", "/dashboard/prices", "Prices"],
  ["providers", "/dashboard/providers", "Providers"],
  ["ledger", "/dashboard/ledger", "Ledger"],
  ["alerts", "/dashboard/alerts", "Alerts"],
  ["people", "/dashboard/people", "People"],
  ["audit", "/dashboard/audit", "Audit"],
  ["config", "/dashboard/config", "Config"],
] as const;

/** htmx 4 has no history cache and no `eval` of its own; the switches of earlier versions are named so that no upgrade turns them on. */
const htmxConfig = JSON.stringify({
  selfRequestsOnly: true,
  mode: "same-origin",
  allowScriptTags: false,
  allowEval: false,
  includeIndicatorCSS: false,
  historyCacheSize: 0,
  history: "reload",
});
