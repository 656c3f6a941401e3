import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { MediaPart, Part } from "../../chat/request.ts";
import { dialectName } from "./kept.ts";
import { decodePart, encodePart } from "./parts.ts";

/*
 * Images that the model made. OpenAI has no place for them in an answer; OpenRouter, LiteLLM and others have `images`, a list
 * in the message and in deltas (https://openrouter.ai/docs/features/multimodal/image-generation).
 */

/** Of a message in a request, which keeps the list itself: its parts are for other protocols. */
export const decodeMadeImages = (images: Json | undefined): readonly MediaPart[] =>
  decodeImages(images).map((part) => ({ ...part, extensions: { ...part.extensions, [inImages]: true } }));

export const isInImages = ({ extensions }: Part): boolean => extensions?.[inImages] === true;

const inImages = `${dialectName}/in-images`;

export function decodeImages(images: Json | undefined): readonly MediaPart[] {
  if (!isJsonArray(images)) return [];
  return images
    .filter(isJsonObject)
    .filter(({ type, image_url: url }) => type === "image_url" && (typeof url === "string" || isAddress(url)))
    .map((image) => decodePart(image, "images"))
    .filter((part) => part.type === "media");
}

/** `null`: no image, or one that has no address. */
export const encodeShown = (part: MediaPart): JsonObject | null =>
  part.kind === "image" ? encodePart(part, silently) : null;

const isAddress = (value: Json | undefined): boolean => isJsonObject(value) && typeof value["url"] === "string";

const silently = () => {};
