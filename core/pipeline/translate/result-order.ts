import type { ChatRequest, Message, Part } from "../../chat/request.ts";

/**
 * The request with the results of each turn's calls directly behind them: what was said in between comes after. OpenAI and
 * Google refuse anything else. Expects that no two calls have the same id.
 */
export function withResultsBehindCalls(request: ChatRequest): ChatRequest {
  const turns: Turn[] = [{ calls: [], answers: [], others: [] }];
  const asked = new Map<string, Turn>();
  for (const message of request.messages) {
    const ids = callsIn(message);
    if (ids.length > 0) {
      const turn = turnFor(turns);
      turn.calls.push(message);
      for (const id of ids) asked.set(id, turn);
      continue;
    }
    const last = turns.at(-1);
    const rest = answered(message, asked);
    if (rest !== null) last?.others.push(rest);
  }
  return { ...request, messages: turns.flatMap(inOrder) };
}

interface Turn {
  /** Messages in a row. */
  readonly calls: Message[];
  readonly answers: Answer[];
  /** What follows up to the next calls. */
  readonly others: Message[];
}

interface Answer {
  readonly whole: Message;
  readonly results: Message;
  /** What was said beside the results; `null`: nothing. */
  readonly rest: Message | null;
}

/** The last one while it has nothing but calls. */
function turnFor(turns: Turn[]): Turn {
  const last = turns.at(-1);
  if (last !== undefined && last.calls.length > 0 && last.answers.length === 0 && last.others.length === 0) return last;
  const turn: Turn = { calls: [], answers: [], others: [] };
  turns.push(turn);
  return turn;
}

/** Gives the results to the turns that asked for them, all in one pass. Returns what is left of the message; `null`: nothing. */
function answered(message: Message, asked: ReadonlyMap<string, Turn>): Message | null {
  const results = new Map<Turn, Part[]>();
  const others: Part[] = [];
  for (const part of message.parts) {
    const turn = part.type === "tool-result" ? asked.get(part.id) : undefined;
    const parts = turn === undefined ? others : (results.get(turn) ?? []);
    parts.push(part);
    if (turn !== undefined) results.set(turn, parts);
  }
  if (results.size === 0) return message;
  const rest = others.length === 0 ? null : { ...message, parts: others };
  let left = results.size;
  for (const [turn, parts] of results) {
    const own: Message = { ...message, role: "tool", parts };
    left -= 1;
    // What was said beside them stays with those of the last turn.
    if (left > 0) turn.answers.push({ whole: own, results: own, rest: null });
    else
      turn.answers.push({
        whole: results.size === 1 ? message : { ...message, parts: [...parts, ...others] },
        results: own,
        rest,
      });
  }
  return rest;
}

/** A message that stands where it should is left as it is. */
function inOrder({ calls, answers, others }: Turn): readonly Message[] {
  const [only, second] = answers;
  const asked = inOne(calls);
  if (only === undefined) return [...asked, ...others];
  if (second === undefined && only.rest === null) return [...asked, only.whole, ...others];
  if (second === undefined && only.rest === others[0]) return [...asked, only.whole, ...others.slice(1)];
  return [...asked, ...answers.map(({ results }) => results), ...others];
}

/** Results of calls in several messages would stand behind the last only. */
function inOne(calls: readonly Message[]): readonly Message[] {
  const [first, second] = calls;
  return first === undefined || second === undefined
    ? calls
    : [{ ...first, parts: calls.flatMap(({ parts }) => parts) }];
}

const callsIn = ({ parts }: Message): readonly string[] =>
  parts.flatMap((part) => (part.type === "tool-call" ? part.id : []));
