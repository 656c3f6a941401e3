import type { ChatRequest, Message } from "../../chat/request.ts";

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

/** Gives the results to the turns that asked for them. Returns what is left of the message; `null`: nothing. */
function answered(message: Message, asked: ReadonlyMap<string, Turn>): Message | null {
  let rest = message;
  const turns = new Set(message.parts.flatMap((part) => (part.type === "tool-result" && asked.get(part.id)) || []));
  for (const turn of turns) {
    const isOfTurn = (part: Message["parts"][number]) => part.type === "tool-result" && asked.get(part.id) === turn;
    const whole = rest;
    const others = whole.parts.filter((part) => !isOfTurn(part));
    rest = { ...whole, parts: others };
    const results: Message = { ...whole, role: "tool", parts: whole.parts.filter(isOfTurn) };
    turn.answers.push({ whole, results, rest: others.length === 0 ? null : rest });
  }
  return rest.parts.length === 0 && turns.size > 0 ? null : rest;
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
