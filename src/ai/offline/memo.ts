const MAX_KNOWN = 200
const MAX_KEY_CHARS = 20_000

/**
 * What was made of the same key before, or is made now; nobody may change it. Plain data of this isolate: each step of a
 * turn and each turn after it reads the same words against the same world.
 */
export function createMemo<T>(isKept: (made: T) => boolean = () => true): (key: string, make: () => T) => T {
  const known = new Map<string, T>()
  return (key, make) => {
    if (key.length > MAX_KEY_CHARS) return make()
    const made = known.get(key) ?? make()
    // What was asked for last is forgotten last.
    known.delete(key)
    if (isKept(made)) known.set(key, made)
    for (const oldest of known.size > MAX_KNOWN ? known.keys().take(1) : []) known.delete(oldest)
    return made
  }
}
