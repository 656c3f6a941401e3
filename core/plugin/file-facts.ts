/** What an instance's options may refer to in the operator's file. */
export interface FileFacts {
  /** Names of the `provider` instances. */
  readonly providers: readonly string[];
  /** Instances of the same plugin that stand before this one, with their options as they are written. */
  readonly earlier: readonly { readonly name: string; readonly options: Readonly<Record<string, unknown>> }[];
}
