/** One try at one target, as it is recorded. */
export interface AttemptRow {
  readonly provider: string;
  readonly upstreamModel: string;
  readonly upstreamId: string | null;
  /** HTTP status; `null` when no answer came, or from a provider that answers itself. */
  readonly status: number | null;
  readonly billed: boolean;
  /** From the start of the call until it was sent. With the two below: absent where nobody recorded it. */
  readonly sentMs?: number;
  /** From there until its answer began, or it failed; `null`: neither was seen. */
  readonly tookMs?: number | null;
  /** Code of the reason why it failed. */
  readonly fault?: string;
}
