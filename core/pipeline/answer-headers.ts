/**
 * Of every answer that is no page: kept by no cache, and nothing to a browser that is made to open it, whatever a model
 * wrote into it.
 */
export const answerHeaders = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; sandbox",
} as const;
