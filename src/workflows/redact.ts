/** What a model is not told: addresses, numbers by which a person or an account is reached, links and their secrets. */
const MASKS: [RegExp, string][] = [
  [/\bhttps?:\/\/[^\s<>"']{1,2000}/gi, '[link]'],
  [/[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}/g, '[address]'],
  [/\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b/g, '[account]'],
  // Nine digits at least, so that a date or a sum is none of these.
  [/(?<![\w.:-])\+?\d(?:[ ()/.-]{0,3}\d){8,18}(?![\w:-])/g, '[number]'],
]
/** Ids and instants are ours: what a model says is tied to facts by them. */
const KEPT = /^(?:[a-z]{2,5}_[0-9a-hjkmnp-tv-z]{26}|\d{4}-\d\d-\d\d(?:T[\d:.]+Z)?|\d\d:\d\d(?::\d\d)?)$/

/** The same value with all of that masked in every text of it. */
export function redact<T>(value: T): T
export function redact(value: unknown): unknown {
  if (typeof value === 'string')
    return KEPT.test(value) ? value : MASKS.reduce((text, [pattern, mask]) => text.replaceAll(pattern, mask), value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((one) => redact(one))
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, redact(one)]))
}
