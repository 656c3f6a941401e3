/** In the data folder: what the process that serves, or served last, has in use. Secrets are digests in it. */
export const appliedConfigName = "applied-config.json";
