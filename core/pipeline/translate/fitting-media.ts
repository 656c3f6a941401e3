import type { ChatRequest, MediaPart, Message, Part, TextPart, ToolResultPart } from "../../chat/request.ts";
import { readDataUrl } from "../../dialects/data-url.ts";
import type { Dialect } from "../../dialects/dialect.ts";
import { refuseEmptied } from "./native-only.ts";
import type { Emit } from "./stream.ts";

/** The request with its media as the target takes them. Throws `not_carried` when nothing of a user's message is left. */
export function withFittingMedia(
  request: ChatRequest,
  client: Dialect,
  { name, traits }: Dialect,
): { readonly request: ChatRequest; readonly warnings: readonly string[] } {
  const lost = new Set<string>();
  const fitting = (part: MediaPart): readonly (MediaPart | TextPart)[] => {
    const plain = plainMedia(part);
    const taken = traits.takes(plain);
    if (taken === null) lost.add(nameOf(plain));
    return taken === null ? [] : [taken];
  };
  const messages = request.messages.map((message): Message => {
    if (!message.parts.some(mayChange)) return message;
    const parts = message.parts.flatMap((part): readonly Part[] => {
      if (part.type === "media") return fitting(part);
      return [part.type === "tool-result" ? withParts(part, fitting) : part];
    });
    if (message.role === "user" && parts.every(isNothing)) refuseEmptied(lost, client.name);
    return { ...message, parts };
  });
  const warnings = [...lost].map((what) => `${name} cannot say ${what}; left out`);
  return { request: { ...request, messages }, warnings };
}

/** Tells of what the model made that an answer in the client's dialect has no place for; the codec leaves it out. */
export const tellLostMedia =
  ({ name, traits }: Dialect, warn: (sentence: string) => void) =>
  (emit: Emit): Emit =>
  (event) => {
    if (event.type === "media" && !traits.shows(event.part))
      warn(`${name} has no place in an answer for ${nameOf(event.part)}; left out`);
    emit(event);
  };

const mayChange = ({ type }: Part): boolean => type === "media" || type === "tool-result" || type === "other";

/** What the target is not told: parts that only the client's own dialect knows, and texts without a word. */
const isNothing = (part: Part): boolean => part.type === "other" || (part.type === "text" && part.text.trim() === "");

const withParts = (
  result: ToolResultPart,
  fitting: (part: MediaPart) => readonly (MediaPart | TextPart)[],
): ToolResultPart => ({
  ...result,
  parts: result.parts.flatMap((part): ToolResultPart["parts"] => (part.type === "media" ? fitting(part) : [part])),
});

/** Data URLs taken apart, types in their usual words, and the kind by the type. */
function plainMedia(part: MediaPart): MediaPart {
  const inline = part.source.by === "url" ? readDataUrl(part.source.url) : null;
  const [said = null] = (part.mediaType ?? inline?.mediaType)?.toLowerCase().split(/\s*;/, 1) ?? [];
  const mediaType = said === "image/jpg" ? "image/jpeg" : said;
  const source = inline === null ? part.source : ({ by: "data", base64: inline.base64 } as const);
  const kind = mediaType === null ? part.kind : kindOf(mediaType);
  return { ...part, kind, mediaType, source };
}

function kindOf(mediaType: string): MediaPart["kind"] {
  if (mediaType.startsWith("image/")) return "image";
  return mediaType.startsWith("audio/") ? "audio" : "file";
}

function nameOf({ kind, mediaType, source }: MediaPart): string {
  if (source.by !== "data") return `${kind} by ${source.by}`;
  return kind === "file" ? `a file of type ${mediaType ?? "unknown"}` : `${kind} of type ${mediaType ?? "unknown"}`;
}
