import { dirname, resolve } from "node:path";
import { Value } from "@sinclair/typebox/value";
import { convertFilled, faultsOf } from "./check.ts";
import type { ConfigSource, LoadedConfig } from "./config.ts";
import { type ReadFile, readTextFile } from "./file.ts";
import { didYouMean } from "./nearest.ts";
import { fillEmpty, normalise } from "./normalise.ts";
import { checkPatterns } from "./patterns.ts";
import { ConfigError, dotted, type Path, type Problem, reasonOf, steps } from "./problem.ts";
import { apiOnly, type ConfigFile, ConfigSchema, ServerSchema } from "./schema.ts";
import { findingsOf } from "./semantics.ts";
import { configSource, fillReferences } from "./source.ts";
import { importConfig } from "./typescript.ts";
import type { YamlText } from "./yaml.ts";

export interface ReadOptions {
  /** As the operator named it, so messages do too. `null`: no file, the built-in default. */
  readonly path: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Instead of the file's own text, e.g. of a form that is not saved yet; YAML. */
  readonly text?: string;
  readonly readFile?: ReadFile;
}

/** Reads, fills in, checks and completes a config. Throws `ConfigError` with all that is wrong. No side effects. */
export async function readConfig({ path, env, text, readFile = readTextFile }: ReadOptions): Promise<LoadedConfig> {
  const file = path === null ? null : resolve(path);
  const directory = file === null ? process.cwd() : dirname(file);
  const name = path ?? "default config";
  const raw = file === null ? emptyFile : await rawOf(file, name, text, readFile);

  const { value, filled, secrets, problems } = fillReferences(raw.value ?? {}, {
    env,
    readSecret: (secret) => readFile(resolve(directory, secret)),
  });
  const source = configSource(name, raw.places, filled, secrets);
  const found: Problem[] = problems.map((problem) => source.problem(problem.path, problem.message));
  if (!isMap(value))
    throw new ConfigError([source.problem([], "expected a map of sections, such as server: and provider:")]);

  const written = checked(value, source, found);
  const config = normalise(written);
  const findings = [...findingsOf(config, written), ...(await checkPatterns(config))].map((finding) =>
    source.problem(finding.path, finding.message, finding.at),
  );
  const all = [...raw.problems, ...found, ...findings];
  const loaded = { config, file, directory, source };
  if (all.length > 0) throw new ConfigError(all, loaded);
  return loaded;
}

interface RawConfig {
  readonly value: unknown;
  readonly places: YamlText["places"];
  /** Faults that leave the rest readable, such as a duplicate key. */
  readonly problems: readonly Problem[];
}
const emptyFile: RawConfig = { value: {}, places: new Map(), problems: [] };

async function rawOf(file: string, name: string, text: string | undefined, readFile: ReadFile): Promise<RawConfig> {
  const whole = (message: string): Problem => ({ file: name, position: null, path: "", message });
  try {
    if (text === undefined && /\.[mc]?[tj]s$/.test(file)) return { ...emptyFile, value: await importConfig(file) };
    // Not for those who have no file: the parser is a tenth of what a start loads.
    const { parseYaml } = await import("./yaml.ts");
    const { value, places, problems } = parseYaml(text ?? readFile(file));
    const inFile = problems.map((problem) => ({ file: name, ...problem }));
    if (value === undefined && inFile.length > 0) throw new ConfigError(inFile);
    return { value, places, problems: inFile };
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError([whole(reasonOf(error))]);
  }
}

/** The sections that fit the schema; what is wrong with the others is added to `problems`. */
function checked(value: Readonly<Record<string, unknown>>, source: ConfigSource, problems: Problem[]): ConfigFile {
  // A text that could not be filled is empty now; that is the one thing to say about it.
  const unfilled = new Set(problems.map(({ path }) => path));
  const sections = fillEmpty(value);
  for (const [section, message] of Object.entries(apiOnly)) {
    if (!Object.hasOwn(sections, section)) continue;
    problems.push(source.problem([section], message, "key"));
    delete sections[section];
  }
  Value.Default(ConfigSchema, sections);
  convertFilled(ConfigSchema, sections, source.wasFilled);
  for (const fault of faultsOf(ConfigSchema, sections)) {
    const path: Path = steps(fault.at);
    delete sections[String(path[0])];
    // Without the providers, every target would look wrong.
    if (path[0] === "provider") for (const dependent of ["models", "prices", "limits"]) delete sections[dependent];
    if (unfilled.has(dotted(path))) continue;
    const message = path.length === 1 && fault.unknownKey ? unknownSection(String(path[0])) : fault.message;
    problems.push(source.problem(path, message, fault.unknownKey ? "key" : "value"));
  }
  Value.Assert(ConfigSchema, sections);
  return sections;
}

function unknownSection(name: string): string {
  if (Object.hasOwn(ServerSchema.properties, name)) return `unknown key (it belongs under "server")`;
  return `unknown key${didYouMean(name, [...Object.keys(ConfigSchema.properties), ...Object.keys(apiOnly)])}`;
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
