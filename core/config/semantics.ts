import { checkAliases, type Finding } from "./aliases.ts";
import type { Config } from "./config.ts";
import { limitFault } from "./limit-fault.ts";
import { egressEntry } from "./egress-schema.ts";
import { priceFault } from "../plugin/price-fault.ts";
import { momentOf } from "./moment.ts";
import { didYouMean } from "./nearest.ts";
import { isCidr, isHostName, isNetwork } from "./network.ts";
import { checkLogin } from "./login-check.ts";
import type { ConfigFile } from "./schema.ts";

/** What no schema can say: how the parts of a config fit together. */
export function findingsOf(config: Config, written: ConfigFile): Finding[] {
  return [
    ...checkServer(config),
    ...checkOverrides(config),
    ...checkLogin(config),
    ...checkSlots(config),
    ...checkAliases(config, written.models),
    ...checkPrices(config),
    ...checkLimits(config, written),
    ...checkKeys(config, written),
  ];
}

function checkServer({ server: { publicUrl, trustedProxies, egress } }: Config): Finding[] {
  const findings: Finding[] = [];
  if (publicUrl !== undefined && !URL.canParse(publicUrl))
    findings.push({ path: ["server", "publicUrl"], message: "expected a URL with a valid host and port" });
  for (const [at, network] of trustedProxies.entries())
    if (!isNetwork(network))
      findings.push({
        path: ["server", "trustedProxies", at],
        message: "expected an address or a network, as 10.0.0.0/8",
      });
  for (const [at, entry] of egress.allow.entries())
    if (!isNetwork(entry) && !isHostName(entry))
      findings.push({ path: ["server", "egress", "allow", at], message: `expected ${egressEntry}` });
  return findings;
}

/** What is said of a provider, an alias or a target must find it: a slip of the pen would leave it without its limits. */
function checkOverrides({ server: { timeouts, breaker, bulkhead }, provider, models }: Config): Finding[] {
  const findings: Finding[] = [];
  const instances = Object.keys(provider);
  for (const [section, { providers }] of Object.entries({ timeouts, breaker, bulkhead }))
    for (const name of Object.keys(providers))
      if (!instances.includes(name))
        findings.push({
          path: ["server", section, "providers", name],
          at: "key",
          message: `no provider instance "${name}"${didYouMean(name, instances)}`,
        });
  for (const name of Object.keys(timeouts.models))
    if (!Object.hasOwn(models, name) && !instances.some((instance) => name.startsWith(`${instance}/`)))
      findings.push({
        path: ["server", "timeouts", "models", name],
        at: "key",
        message: `"${name}" is no alias and no target of a provider${didYouMean(name, Object.keys(models))}`,
      });
  return findings;
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
  prices.forEach(({ target, ...row }, index) => {
    const instance = target.slice(0, target.indexOf("/"));
    const path = ["prices", index, "target"];
    if (!providers.includes(instance))
      findings.push({ path, message: `no provider instance "${instance}"${didYouMean(instance, providers)}` });
    const fault = priceFault(row);
    if (fault) findings.push({ path: ["prices", index, ...fault.at], message: fault.message });
    const first = rows.get(target);
    if (first !== undefined) findings.push({ path, message: `"${target}" has a price already, in prices[${first}]` });
    rows.set(target, first ?? index);
  });
  return findings;
}

function checkLimits(config: Config, { limits = [] }: ConfigFile): Finding[] {
  const findings: Finding[] = [];
  if (limits.length > 0 && Object.keys(config["rate-limit"]).length === 0)
    findings.push({
      path: ["limits"],
      at: "key",
      message: "no rate-limit plugin is configured, so nothing keeps them",
    });
  const providers = Object.keys(config.provider);
  for (const [at, entry] of limits.entries()) {
    const fault = limitFault(entry);
    if (fault) findings.push({ path: ["limits", at, ...fault.at], message: fault.message });
    const { kind, id } = entry.scope;
    if (kind === "provider" && id !== undefined && !providers.includes(id))
      findings.push({
        path: ["limits", at, "scope", "id"],
        message: `no provider instance "${id}"${didYouMean(id, providers)}`,
      });
  }
  return findings;
}

function checkKeys(config: Config, { keys = {} }: ConfigFile): Finding[] {
  const findings: Finding[] = [];
  const find = (path: Finding["path"], message: string) => void findings.push({ path: ["keys", ...path], message });
  for (const [name, { key, sha256, cidrs = [], limits, expiresAt }] of Object.entries(keys)) {
    if ((key === undefined) === (sha256 === undefined)) find([name], "expected either key or sha256");
    for (const [at, cidr] of cidrs.entries())
      if (!isCidr(cidr)) find([name, "cidrs", at], "expected a network, as 10.0.0.0/8");
    if (expiresAt !== undefined && momentOf(expiresAt) === null) find([name, "expiresAt"], "there is no such day");
    if (limits !== undefined && Object.keys(limits).length > 0 && Object.keys(config["rate-limit"]).length === 0)
      find([name, "limits"], "no rate-limit plugin is configured, so nothing keeps them");
  }
  return findings;
}
