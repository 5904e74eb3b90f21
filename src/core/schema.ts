import { z } from '@hono/zod-openapi'

export { rrule } from './rrule-schema.ts'

/** A schema, or what makes it. */
export type Later<T> = T | (() => T)

/** Makes a schema at the first look at it. Of an answer only the document and a few verbs ever look; every start would pay. */
export function later<T extends z.ZodType>(make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}

export const settled = <T extends z.ZodType>(schema: Later<T>): T => (schema instanceof z.ZodType ? schema : schema())

/** No text column holds a NUL, and a lone surrogate is not UTF-8: both are refused at the door. */
export function isStorable(value: string): boolean {
  return value.isWellFormed() && !value.includes('\0')
}

// One schema for each of its kind: dozens of fields are alike, and a schema is slow to make. So is each link of a chain.
function kept<A extends unknown[], T>(make: (...of: A) => T): (...of: A) => T {
  const made = new Map<string, T>()
  return (...of) => {
    const name = of.join()
    const one = made.get(name) ?? make(...of)
    made.set(name, one)
    return one
  }
}

/** Free text of at most `max` UTF-16 units. */
export const text = kept((max: number, min?: number) =>
  z
    .string()
    .check(
      z.minLength(min ?? 0),
      z.maxLength(max),
      z.refine<string>(isStorable, 'must be well-formed text without NUL'),
    ),
)

/** A one-line name: no control characters, not only spaces. */
export const line = kept((max: number) =>
  z.string().check(
    z.trim(),
    z.minLength(1),
    z.maxLength(max),
    z.refine<string>((value) => isStorable(value) && !/[\u0000-\u001f\u007f]/.test(value), 'must be one line of text'),
  ),
)

const MAX_PAYLOAD_DEPTH = 8

function isPayload(value: unknown, depth: number): boolean {
  if (typeof value === 'string') return isStorable(value)
  if (typeof value !== 'object' || value === null) return true
  return depth > 0 && Object.entries(value).every(([key, inner]) => isStorable(key) && isPayload(inner, depth - 1))
}

/** Any JSON object of at most `max` characters, for whoever knows its schema. */
export const payload = kept((max: number, deep: number = MAX_PAYLOAD_DEPTH) =>
  z
    .record(z.string().max(200), z.unknown())
    .refine(
      (value) => isPayload(value, deep) && JSON.stringify(value).length <= max,
      `must be at most ${max} characters of JSON, ${deep} deep`,
    )
    .openapi({ maxProperties: 50 }),
)

export const id = kept((prefix: string) =>
  z
    .string()
    .check(z.maxLength(40), z.regex(new RegExp(`^${prefix}_[0-9a-hjkmnp-tv-z]{26}$`)))
    .openapi({ example: `${prefix}_01jd6w3k9q0123456789abcdef` }),
)

export const int = kept((min: number, max: number) =>
  z
    .number()
    .check(z.int(), z.gte(min), z.lte(max))
    .openapi({ format: max > 2_147_483_647 ? 'int64' : 'int32' }),
)
export const list = <T extends z.ZodType>(item: T, max: number, min = 0) =>
  z.array(item).check(z.minLength(min), z.maxLength(max))

// Postgres takes less than RFC 3339 does, and no clock on earth is further off.
function isOffset(value: string): boolean {
  const [, hours, minutes] = /[+-](\d\d):(\d\d)$/.exec(value) ?? []
  return Number(hours ?? 0) * 60 + Number(minutes ?? 0) <= 14 * 60
}

function toUtc(value: string): string {
  const at = new Date(value)
  return Number.isNaN(at.getTime()) ? value : at.toISOString()
}

/** Whether others' words are in it, as far as is known; whatever rests on it asks before it goes out. */
export const tainted = z.boolean().openapi({ description: 'Written by others or by a program, as far as is known' })

/** An instant, RFC 3339; taken with any offset, kept and answered in UTC with milliseconds. */
export const instant = z.iso
  .datetime({ offset: true })
  .max(40)
  .refine(isOffset, 'must be at most 14 hours from UTC')
  .refine((value) => {
    const year = new Date(value).getUTCFullYear()
    return year >= 1900 && year <= 9999
  }, 'must lie between the years 1900 and 9999')
  .overwrite(toUtc)
  .openapi({ example: '2026-11-23T09:00:00.000Z' })

export const localDate = z.iso
  .date()
  .max(10)
  .refine((value) => value >= '1900-01-02' && value <= '9999-12-30', 'must lie between 1900 and 9999')
  .openapi({ example: '2026-11-23' })
export const localTime = z
  .string()
  .max(8)
  .regex(/^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$/)
  .openapi({ example: '09:00' })

// What ICU and Postgres may read differently: a bare offset, and three letters that mean several zones.
const AMBIGUOUS = /^(?:[+-].*|(?!UTC|GMT)[A-Z]{3})$/i
// The names of IANA that every database has. ICU knows more (US/Pacific-New, SystemV/AST4), Postgres does not.
const PLACE =
  /^(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)\/|^(?:UTC|Etc\/GMT[+-]\d+)$/

/** The name to keep: a place as it was given (ICU would make Calcutta of Kolkata), else what ICU says it stands for. */
function zoneNamed(value: string): string | undefined {
  if (AMBIGUOUS.test(value)) return undefined
  try {
    const known = new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone
    return [value, known].find((name) => PLACE.test(name))
  } catch {
    return undefined
  }
}
export const timeZone = z
  .string()
  .min(1)
  .max(64)
  .refine((value) => zoneNamed(value) !== undefined, 'must be an IANA time zone')
  .overwrite((value) => zoneNamed(value) ?? value)
  .openapi({ example: 'Europe/Berlin' })

/** A wall clock: a day, or a time of a day in a zone (the person's own when none is given). */
export const MomentInput = z
  .strictObject({ date: localDate, time: localTime.optional(), timeZone: timeZone.optional() })
  .openapi('MomentInput')
export type MomentInput = z.infer<typeof MomentInput>

/** `at` is the instant the wall clock means: the end of the day when there is no time. */
export const Moment = z
  .strictObject({ date: localDate, time: localTime.nullable(), timeZone, at: instant })
  .openapi('Moment')
export type Moment = z.infer<typeof Moment>

/** A query parameter that says yes or no. */
export const flag = z
  .enum(['true', 'false'])
  .transform((value) => value === 'true')
  .openapi({ type: 'string', enum: ['true', 'false'] })

/** An integer of a query: decimal digits and nothing else, where a coercion would take `0x10`, `1e1` and ` 1`. */
export const queryInt = (min: number, max: number) =>
  z
    .string()
    .max(16)
    .regex(/^\d+$/, 'must be a whole number in decimal digits')
    .transform(Number)
    .pipe(int(min, max))
    .openapi({ type: 'integer', minimum: min, maximum: max, format: max > 2_147_483_647 ? 'int64' : 'int32' })

export const limit = queryInt(1, 100)
  .default(50)
  .openapi({ default: 50, param: { description: 'How many items at most' } })
export const cursor = z
  .string()
  .min(1)
  .max(1000)
  .optional()
  .openapi({ param: { description: '`nextCursor` of the page before' } })

export const pageOf = <T extends z.ZodType>(item: Later<T>, max = 100) =>
  z.strictObject({ items: list(settled(item), max), nextCursor: z.string().max(1000).nullable() })
