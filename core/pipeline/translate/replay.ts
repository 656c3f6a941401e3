import type { ChatEvent } from "../../chat/event.ts";
import type { Json } from "../../chat/json.ts";
import type { Part } from "../../chat/request.ts";
import type { Candidate, ChatResponse } from "../../chat/response.ts";

/** The events that `collect` makes `response` of: for clients that stream an answer which came in one piece. */
export function* eventsOf(response: ChatResponse): Generator<ChatEvent> {
  const { id, model, createdMs, usage, extensions } = response;
  yield { type: "response-start", id, model, createdMs };
  for (const [candidate, answer] of response.candidates.entries()) yield* eventsOfCandidate(answer, candidate);
  yield { type: "response-end", usage, extensions };
}

function* eventsOfCandidate(answer: Candidate, candidate: number): Generator<ChatEvent> {
  // They are those of the whole answer: the first text carries them.
  const firstText = answer.parts.findIndex((part) => part.type === "text");
  for (const [index, part] of answer.parts.entries())
    yield* eventsOfPart(part, { candidate, index }, index === firstText ? answer.logprobs : undefined);
  const { finish, extensions } = answer;
  yield { type: "candidate-end", candidate, finish, ...(extensions && { extensions }) };
}

interface At {
  readonly candidate: number;
  readonly index: number;
}

function* eventsOfPart(part: Part, at: At, logprobs: Json | undefined): Generator<ChatEvent> {
  switch (part.type) {
    case "text": {
      const { type: _type, text, cache: _cache, ...end } = part;
      yield { type: "text-start", ...at };
      if (text !== "" || logprobs !== undefined)
        yield { type: "text-delta", ...at, text, ...(logprobs !== undefined && { logprobs }) };
      yield { type: "text-end", ...at, ...end };
      return;
    }
    case "reasoning": {
      const { type: _type, text, ...end } = part;
      yield { type: "reasoning-start", ...at };
      if (text !== "") yield { type: "reasoning-delta", ...at, text };
      yield { type: "reasoning-end", ...at, ...end };
      return;
    }
    case "refusal":
      yield { type: "refusal-start", ...at };
      if (part.text !== "") yield { type: "refusal-delta", ...at, text: part.text };
      yield { type: "refusal-end", ...at };
      return;
    case "tool-call": {
      const { type: _type, id, name, input, custom, cache: _cache, ...end } = part;
      yield { type: "tool-input-start", ...at, id, name, ...(custom && { custom }) };
      if (input !== "") yield { type: "tool-input-delta", ...at, text: input };
      yield { type: "tool-input-end", ...at, ...end };
      return;
    }
    case "media":
      yield { type: "media", ...at, part };
      return;
    case "other":
      yield { type: "other", ...at, extensions: part.extensions };
      return;
    case "tool-result":
      // No answer has one; a block must come all the same, or the next index would be out of turn.
      yield { type: "other", ...at, extensions: {} };
  }
}
