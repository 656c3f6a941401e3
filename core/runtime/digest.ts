import { hash } from "node:crypto";

/** SHA-256. Bun's own way takes less than half of the time of the one that Node has too. */
export const sha256 = (text: string, encoding: "base64" | "hex" = "base64"): string =>
  "Bun" in globalThis ? Bun.SHA256.hash(text, encoding) : hash("sha256", text, encoding);
