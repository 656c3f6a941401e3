import { stripVTControlCharacters } from "node:util";
import type { LoadedConfig } from "./config.ts";

/** Where in a file; both count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** One thing wrong, in words for the operator: no secret and no stack in it. */
export interface Problem {
  /** As the operator named it, or the environment's variable. */
  readonly file: string;
  /** `null`: the file as a whole, or a file whose format has no positions. */
  readonly position: Position | null;
  /** What it is about: a key path such as `server.port`, an instance, or empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** All that is wrong with a configuration, in the order of the file. Its message is one line a problem. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[];
  /** What could be read all the same, with defaults in the place of what is wrong: for whoever looks for more of it. */
  readonly readable: LoadedConfig | null;

  constructor(problems: readonly Problem[], readable: LoadedConfig | null = null) {
    const inOrder = problems.toSorted(byPosition);
    super(inOrder.map(describeProblem).join("\n"));
    this.name = "ConfigError";
    this.problems = inOrder;
    this.readable = readable;
  }
}

export function describeProblem({ file, position, path, message }: Problem): string {
  const place = position === null ? file : `${file}:${position.line}:${position.column}`;
  return path === "" ? `${place}: ${message}` : `${place} ${path}: ${message}`;
}

const byPosition = ({ position: left }: Problem, { position: right }: Problem): number =>
  (left?.line ?? 0) - (right?.line ?? 0) || (left?.column ?? 0) - (right?.column ?? 0);

export type Path = readonly (string | number)[];

/** `server.port`, `prices[0].input`. */
export function dotted(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (/^\d+$/.test(String(step))) return `${text}[${step}]`;
    return text === "" ? String(step) : `${text}.${step}`;
  }, "");
}

/** JSON pointer (RFC 6901), the form in which the schema checker names a place. */
export const pointer = (path: Path): string =>
  path.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

export const steps = (jsonPointer: string): string[] =>
  jsonPointer
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));

/** A message of a library, in the form of ours. */
export const lowered = (text: string): string => text.slice(0, 1).toLowerCase() + text.slice(1);

/** What a caught value says in one line: libraries put hints, colours and stacks in theirs. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "it threw no error";
  const [line = ""] = stripVTControlCharacters(error.message).split("\n", 1);
  return line.trim() || error.name;
}
