/** Settings that a provider may have of its own; what it does not say is as for all. */
export type WithOwn<Settings extends object> = Settings & {
  readonly providers: Readonly<Record<string, { readonly [Name in keyof Settings]?: Settings[Name] | undefined }>>;
};

/** Looked up each time, because a reload changes settings in place. */
export function ofProvider<Settings extends object>(settings: WithOwn<Settings>, provider: string): Settings {
  const own = settings.providers[provider];
  if (own === undefined) return settings;
  const said = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
  return { ...settings, ...said };
}
