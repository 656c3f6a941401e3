import type { DialectName } from "../../core/dialects/dialect.ts";
import { type CreatedKey, type Gateway, type GatewayOptions, type NewKeyBody, startGateway } from "./process.ts";
import { startUpstream, type Upstream } from "./upstream.ts";

/** The product in front of a scripted upstream, with one key: what most tests need. */
export interface Setup {
  readonly gateway: Gateway;
  readonly upstream: Upstream;
  readonly key: CreatedKey;
  /** The credential that the product sends to the upstream; it must show up nowhere else. */
  readonly upstreamKey: string;
  stop(): Promise<void>;
}

export interface SetupOptions extends Omit<GatewayOptions, "config"> {
  /** More lines of the config file, after `provider` and `prices`. */
  readonly config?: string;
  /** More lines under `provider:`, indented by two. */
  readonly providers?: string;
  /** Beside `mock`, a provider `mock-NAME` for each: the same upstream, spoken to in that dialect. */
  readonly dialects?: Iterable<DialectName>;
  /** More lines of the provider `mock`, indented by four. */
  readonly mock?: string;
  readonly key?: NewKeyBody;
  /** USD per million tokens of `mock/*`. */
  readonly price?: { readonly input: number; readonly output: number };
}

export const defaultPrice = { input: 1, output: 2 } as const;

export async function setUp({
  config = "",
  providers = "",
  mock = "",
  dialects = [],
  key,
  price = defaultPrice,
  ...options
}: SetupOptions = {}): Promise<Setup> {
  const upstream = await startUpstream();
  const upstreamKey = `sk-upstream-canary-${crypto.randomUUID()}`;
  const spoken = [...dialects];
  const file = [
    "provider:",
    `  mock: { use: openai-compatible, baseUrl: "${upstream.baseUrl}", apiKey: "${upstreamKey}" }`,
    "  echo: {}",
    ...spoken.map(
      (name) =>
        `  mock-${name}: { use: openai-compatible, baseUrl: "${upstream.baseUrl}", apiKey: "${upstreamKey}", dialects: [${name}] }`,
    ),
    "prices:",
    ...["mock", ...spoken.map((name) => `mock-${name}`)].map(
      (name) => `  - { target: ${name}/*, input: ${price.input}, output: ${price.output} }`,
    ),
    config,
  ];
  if (mock !== "")
    file[1] = `  mock:\n    use: openai-compatible\n    baseUrl: "${upstream.baseUrl}"\n    apiKey: "${upstreamKey}"\n${mock}`;
  if (providers !== "") file.splice(3, 0, providers);
  const gateway = await startGateway({ ...options, config: `${file.join("\n")}\n` });
  gateway.secrets.add(upstreamKey);
  return {
    gateway,
    upstream,
    upstreamKey,
    key: await gateway.createKey(key),
    stop: async () => {
      await gateway.dispose();
      await upstream.stop();
    },
  };
}
