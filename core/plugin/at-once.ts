/** Of what a hook returned that nobody waits for: an async function is one that returns nothing to some. */
export function atOnce<T>(hook: string, value: T): T {
  if (!(value instanceof Promise)) return value;
  // Whoever is told of it need not be told twice.
  value.catch(() => {});
  throw new TypeError(`${hook}() returned a promise: nobody waits for it`);
}
