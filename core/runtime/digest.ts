import { hash } from "node:crypto";

/** SHA-256 in base64. Bun's own way takes less than half of the time of the one that Node has too. */
export const sha256 = (text: string): string =>
  "Bun" in globalThis ? Bun.SHA256.hash(text, "base64") : hash("sha256", text, "base64");
