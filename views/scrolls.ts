import { html, type Html } from "./html.ts";

/** Attributes of a box that scrolls where its table is too wide: by the keyboard too, and under a name. */
export const scrolls = (label: string): Html => html` tabindex="0" role="region" aria-label="${label}"`;
