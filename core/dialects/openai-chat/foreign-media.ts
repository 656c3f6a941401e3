import { Buffer } from "node:buffer";
import type { MediaPart, TextPart } from "../../chat/request.ts";
import { audioFormat } from "./parts.ts";

/**
 * What OpenAI takes of another protocol's media: images, audio of two formats, and PDFs, which need a name and cannot be
 * named by their address (https://platform.openai.com/docs/guides/pdf-files). A text is told as one. Other vendors take
 * more, and their clients say it in this dialect.
 */
export function takenMedia(part: MediaPart): MediaPart | TextPart | null {
  const { kind, mediaType, source } = part;
  if (kind === "image") return source.by === "id" ? null : part;
  if (kind === "audio") return source.by === "data" && audioFormats.has(audioFormat(mediaType ?? "")) ? part : null;
  if (source.by === "id") return part;
  if (source.by === "url") return null;
  if (mediaType === null || mediaType === "application/pdf")
    return { ...part, mediaType: "application/pdf", name: part.name ?? "document.pdf" };
  if (!mediaType.startsWith("text/") && mediaType !== "application/json") return null;
  const text = Buffer.from(source.base64, "base64").toString("utf8");
  return { type: "text", text, ...(part.cache === undefined ? {} : { cache: part.cache }) };
}

const audioFormats: ReadonlySet<string> = new Set(["wav", "mp3"]);
