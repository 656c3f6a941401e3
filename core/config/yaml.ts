import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  type ParsedNode,
  type YAMLError,
  type YAMLMap,
} from "yaml";
import { losesDigits } from "./decimal.ts";
import { dotted, lowered, type Path, pointer, type Position } from "./problem.ts";

export interface YamlProblem {
  readonly position: Position;
  readonly path: string;
  readonly message: string;
}
export interface YamlText {
  /** Maps, lists and scalars; `undefined` for an empty file. Repeated keys keep their first value. */
  readonly value: unknown;
  readonly problems: readonly YamlProblem[];
  /** Where the key, or the value, at a JSON pointer begins. */
  readonly places: ReadonlyMap<string, { readonly key: Position; readonly value: Position }>;
}

const maxDepth = 64;
/** Nodes that aliases may repeat. Bombs (`&a [*b, *b]`, nested) reach it at once, honest anchors never. */
const maxRepeatedNodes = 10_000;
/** One mistake in the syntax makes many messages: one a line, and the first ones, say it. */
const maxSyntaxProblems = 5;

export function parseYaml(text: string): YamlText {
  const lines = new LineCounter();
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  // Uniqueness of keys is checked below: the package compares each key with all before it, seconds on a big file.
  const document = parseDocument(text.replace(/^\uFEFF/, ""), {
    lineCounter: lines,
    uniqueKeys: false,
    prettyErrors: false,
  });
  const syntax = new Map<number, YamlProblem>();
  for (const error of [...document.errors, ...document.warnings]) {
    const position = positionAt(error.pos[0]);
    if (syntax.has(position.line)) continue;
    syntax.set(position.line, { position, path: "", message: syntaxMessage(error, text) });
    if (syntax.size === maxSyntaxProblems) break;
  }
  if (syntax.size > 0) return { value: undefined, problems: [...syntax.values()], places: new Map() };
  return walk(document.contents, positionAt);
}

function syntaxMessage({ code, message, pos }: YAMLError, text: string): string {
  if (code === "MULTIPLE_DOCS") return "a second document begins here; a config is one";
  return lowered(message) + quoteHint(text, pos[0]);
}

/** `{ apiKey: ${NAME} }` is a YAML error that says nothing about its cause. */
function quoteHint(text: string, offset: number): string {
  const line = text.slice(text.lastIndexOf("\n", offset - 1) + 1).split("\n", 1)[0] ?? "";
  return /[{[,:]\s*\$\{/.test(line) ? '; between { } and [ ] write "${NAME}" in quotes' : "";
}

function walk(root: ParsedNode | null, positionAt: (offset: number) => Position): YamlText {
  const problems: YamlProblem[] = [];
  const places = new Map<string, { key: Position; value: Position }>();
  const anchors = new Map<string, ParsedNode>();
  let repeated = 0;
  let bomb = false;

  const report = (node: ParsedNode, path: Path, message: string): undefined => {
    problems.push({ position: positionAt(node.range[0]), path: dotted(path), message });
  };

  const visit = (node: ParsedNode | null, path: Path, inAlias: boolean): unknown => {
    if (node === null || bomb) return null;
    if (path.length > maxDepth) return report(node, [], `nested more than ${maxDepth} deep`);
    if (inAlias && ++repeated > maxRepeatedNodes) {
      bomb = true;
      return report(node, [], `aliases repeat more than ${maxRepeatedNodes} nodes`);
    }
    if (isAlias(node)) {
      const target = anchors.get(node.source);
      return target === undefined
        ? report(node, path, `no anchor "&${node.source}" before this alias`)
        : visit(target, path, true);
    }
    const value = isMap(node)
      ? visitMap(node, path, inAlias)
      : isSeq(node)
        ? visitList(node.items, path, inAlias)
        : scalar(node, path);
    // Only once it is complete, so that nothing can contain itself.
    if (node.anchor !== undefined && !inAlias) anchors.set(node.anchor, node);
    return value;
  };

  const visitMap = (map: YAMLMap.Parsed, path: Path, inAlias: boolean): Record<string, unknown> => {
    const object: Record<string, unknown> = {};
    const firstAt = new Map<string, number>();
    for (const pair of map.items) {
      const key = keyOf(pair);
      if (key === null || key === "__proto__") {
        report(pair.key, path, key === null ? "a key must be plain text" : 'unknown key "__proto__"');
        continue;
      }
      const keyPath = [...path, key];
      const first = firstAt.get(key);
      if (first !== undefined) {
        report(pair.key, keyPath, `duplicate key, first on line ${positionAt(first).line}`);
        continue;
      }
      firstAt.set(key, pair.key.range[0]);
      place(keyPath, pair.key, pair.value);
      object[key] = visit(pair.value, keyPath, inAlias);
    }
    return object;
  };

  const visitList = (items: readonly ParsedNode[], path: Path, inAlias: boolean): unknown[] =>
    items.map((item, index) => {
      place([...path, index], item, item);
      return visit(item, [...path, index], inAlias);
    });

  const scalar = (node: ParsedNode, path: Path): unknown => {
    if (!isScalar(node)) return null;
    if (typeof node.value === "number" && losesDigits(node.value, node.source))
      return report(node, path, "more digits than a number keeps; write it in quotes");
    return node.value;
  };

  const place = (path: Path, key: ParsedNode, value: ParsedNode | null): void => {
    const pos = pointer(path);
    // What an alias repeats is placed where it is used first.
    if (!places.has(pos))
      places.set(pos, { key: positionAt(key.range[0]), value: positionAt((value ?? key).range[0]) });
  };

  const value = root === null ? undefined : visit(root, [], false);
  return { value, problems, places };
}

function keyOf(pair: Pair<ParsedNode, ParsedNode | null>): string | null {
  if (!isScalar(pair.key)) return null;
  return typeof pair.key.value === "string" ? pair.key.value : pair.key.source;
}
