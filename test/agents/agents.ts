import type { DialectName } from "../../core/dialects/dialect.ts";

/** A coding agent as its users install it, and how it is pointed at the proxy. */
export interface Agent {
  readonly name: string;
  /** On npm, with its version. */
  readonly install: string;
  /** What it speaks to the proxy. */
  readonly dialect: DialectName;
  /** Files of its configuration, by their path below the home folder. */
  files?(to: Destination): Readonly<Record<string, string>>;
  environment?(to: Destination): Readonly<Record<string, string>>;
  /** The command and its arguments; `prompt` is the whole task, and the answer comes on stdout. */
  command(to: Destination, prompt: string): readonly [command: string, ...args: string[]];
  /** The call with which a model reads `file`. */
  reads(file: string): { readonly name: string; readonly args: Readonly<Record<string, unknown>> };
}

export interface Destination {
  readonly url: string;
  readonly key: string;
  readonly model: string;
}

const claudeCode: Agent = {
  name: "Claude Code",
  install: "@anthropic-ai/claude-code@2.1.197",
  dialect: "anthropic-messages",
  environment: ({ url, key, model }) => ({
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_API_KEY: key,
    ANTHROPIC_MODEL: model,
    ANTHROPIC_DEFAULT_HAIKU_MODEL: model,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  }),
  command: (_, prompt) => ["claude", "-p", prompt, "--allowedTools", "Read"],
  reads: (file) => ({ name: "Read", args: { file_path: file } }),
};

const codex: Agent = {
  name: "Codex",
  install: "@openai/codex@0.169.0",
  dialect: "openai-responses",
  files: ({ url, model }) => ({
    ".codex/config.toml": [
      `model = "${model}"`,
      `model_provider = "llm-proxy"`,
      "",
      "[model_providers.llm-proxy]",
      `name = "LLM Proxy"`,
      `base_url = "${url}/v1"`,
      `env_key = "LLM_PROXY_KEY"`,
      `wire_api = "responses"`,
      "",
    ].join("\n"),
  }),
  environment: ({ key }) => ({ LLM_PROXY_KEY: key }),
  command: (_, prompt) => ["codex", "exec", "--skip-git-repo-check", prompt],
  reads: (file) => ({ name: "exec_command", args: { cmd: `cat ${file}` } }),
};

/** As its own provider, which it first asks for a WebSocket; told 426, it goes on over HTTP. */
const codexAsOpenAI: Agent = {
  ...codex,
  name: "Codex, openai_base_url",
  files: ({ url, model }) => ({
    ".codex/config.toml": [`model = "${model}"`, `openai_base_url = "${url}/v1"`, ""].join("\n"),
  }),
  environment: ({ key }) => ({ CODEX_API_KEY: key }),
};

const geminiCli: Agent = {
  name: "Gemini CLI",
  install: "@google/gemini-cli@0.61.0",
  dialect: "gemini",
  files: () => ({
    ".gemini/settings.json": JSON.stringify({
      security: { auth: { selectedType: "gemini-api-key" } },
      privacy: { usageStatisticsEnabled: false },
      general: { disableAutoUpdate: true },
    }),
  }),
  environment: ({ url, key }) => ({ GOOGLE_GEMINI_BASE_URL: url, GEMINI_API_KEY: key }),
  command: ({ model }, prompt) => ["gemini", "--skip-trust", "-m", model, "-p", prompt],
  reads: (file) => ({ name: "read_file", args: { file_path: file } }),
};

/** `sdk`: the package of the AI SDK that speaks for it. `path`: what that package takes behind the host. */
const opencode = (dialect: DialectName, sdk: string, path: string): Agent => ({
  name: `opencode, ${sdk}`,
  install: "opencode-ai@1.18.33",
  dialect,
  files: ({ url, key, model }) => ({
    ".config/opencode/opencode.json": JSON.stringify({
      $schema: "https://opencode.ai/config.json",
      autoupdate: false,
      share: "disabled",
      small_model: `llm-proxy/${model}`,
      provider: {
        "llm-proxy": {
          npm: sdk,
          options: { baseURL: `${url}${path}`, apiKey: key },
          models: { [model]: { name: model } },
        },
      },
    }),
  }),
  command: ({ model }, prompt) => ["opencode", "run", "-m", `llm-proxy/${model}`, prompt],
  reads: (file) => ({ name: "read", args: { filePath: file } }),
});

export const agents: readonly Agent[] = [
  claudeCode,
  codex,
  codexAsOpenAI,
  geminiCli,
  opencode("openai-chat", "@ai-sdk/openai-compatible", "/v1"),
  opencode("openai-responses", "@ai-sdk/openai", "/v1"),
  opencode("anthropic-messages", "@ai-sdk/anthropic", "/v1"),
  opencode("gemini", "@ai-sdk/google", "/v1beta"),
];
