import type { Awaitable } from "../plugin/plugin.ts";

/** A key of an upstream account that was entered through the API or the dashboard. */
export interface CredentialRow {
  readonly id: string;
  /** The instance that it is for. */
  readonly provider: string;
  readonly name: string;
  /** Opens only with the master secret, and only for this row and where it was entered for. */
  readonly sealed: Uint8Array;
  /** Empty for one that is too short to show so much of it. */
  readonly last4: string;
  /** How often it is chosen, against the others of its provider. */
  readonly weight: number;
  readonly enabled: boolean;
  readonly createdMs: number;
  readonly changedMs: number;
}
export type CredentialChange = Partial<Omit<CredentialRow, "id" | "provider" | "createdMs">>;

export interface CredentialRepository {
  /** All, oldest first, from memory. */
  all(): readonly CredentialRow[];
  create(row: CredentialRow): Awaitable<CredentialRow>;
  /** `null`: no such credential. */
  change(id: string, change: CredentialChange): Awaitable<CredentialRow | null>;
  /** `false`: no such credential. */
  remove(id: string): Awaitable<boolean>;
}
