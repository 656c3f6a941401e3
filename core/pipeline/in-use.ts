/** How many calls and requests work with the parts of one config: what it names may be disposed when nobody does any more. */
export class InUse {
  #count = 0;
  #whenNone: (() => void) | null = null;

  get count(): number {
    return this.#count;
  }
  enter(): void {
    this.#count += 1;
  }
  /** Once for each `enter`. */
  leave(): void {
    this.#count -= 1;
    if (this.#count <= 0 && this.#whenNone !== null) this.#whenNone();
  }
  /** Resolves when nobody is left, and no new one comes: ask it when another config has taken over. */
  none(): Promise<void> {
    if (this.#count <= 0) return Promise.resolve();
    return new Promise((resolve) => (this.#whenNone = resolve));
  }
}
