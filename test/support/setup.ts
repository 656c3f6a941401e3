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
  key,
  price = defaultPrice,
  ...options
}: SetupOptions = {}): Promise<Setup> {
  const upstream = await startUpstream();
  const upstreamKey = `sk-upstream-canary-${crypto.randomUUID()}`;
  const file = [
    "provider:",
    `  mock: { use: openai-compatible, baseUrl: "${upstream.baseUrl}", apiKey: "${upstreamKey}" }`,
    "  echo: {}",
    "prices:",
    `  - { target: mock/*, input: ${price.input}, output: ${price.output} }`,
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
