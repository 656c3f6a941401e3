import { checkAliases, type Finding } from "./aliases.ts";
import type { Config } from "./config.ts";
import { didYouMean } from "./nearest.ts";
import type { ConfigFile } from "./schema.ts";

/** What no schema can say: how the parts of a config fit together. */
export function findingsOf(config: Config, written: ConfigFile): Finding[] {
  return [
    ...checkServer(config),
    ...checkSlots(config),
    ...checkAliases(config, written.models),
    ...checkPrices(config),
  ];
}

function checkServer({ server: { publicUrl } }: Config): Finding[] {
  if (publicUrl === undefined || URL.canParse(publicUrl)) return [];
  return [{ path: ["server", "publicUrl"], message: "expected a URL with a valid host and port" }];
}

function checkSlots({ storage, billing }: Config): Finding[] {
  const findings: Finding[] = [];
  const stores = Object.keys(storage);
  const billers = Object.keys(billing);
  if (stores.length !== 1)
    findings.push({
      path: ["storage"],
      at: "key",
      message: `expected exactly one instance, found ${stores.length === 0 ? "none" : stores.join(", ")}`,
    });
  if (billers.length > 1)
    findings.push({
      path: ["billing"],
      at: "key",
      message: `expected at most one instance, found ${billers.join(", ")}`,
    });
  return findings;
}

function checkPrices({ prices, provider }: Config): Finding[] {
  const findings: Finding[] = [];
  const rows = new Map<string, number>();
  const providers = Object.keys(provider);
  prices.forEach(({ target }, index) => {
    const instance = target.slice(0, target.indexOf("/"));
    const path = ["prices", index, "target"];
    if (!providers.includes(instance))
      findings.push({ path, message: `no provider instance "${instance}"${didYouMean(instance, providers)}` });
    const first = rows.get(target);
    if (first !== undefined) findings.push({ path, message: `"${target}" has a price already, in prices[${first}]` });
    rows.set(target, first ?? index);
  });
  return findings;
}
