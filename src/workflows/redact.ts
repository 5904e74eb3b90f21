import { listEvents } from '#calendar'
import { listMemories } from '#memories'
import { getSettings } from '#proactivity'
import type { FactCtx } from './gather.ts'

type Privacy = Awaited<ReturnType<typeof getSettings>>['privacy']
type Mask = [RegExp, string]

const SECRETS: Mask[] = [
  [/\bhttps?:\/\/[^\s<>"']{1,2000}/gi, '[link]'],
  [/\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b/g, '[account]'],
  [/\b(?:password|passcode|passwort|pin|secret|token|api[ _-]?key)\b(?: is|:|=) ?\S{3,200}/gi, '[secret]'],
  // Longer than any id of ours.
  [/\b(?=[\w-]{0,199}\d)(?=[\w-]{0,199}[a-z])[\w-]{40,200}\b/gi, '[secret]'],
]
const CONTACTS: Mask[] = [
  [/[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}/g, '[address]'],
  // Nine digits at least, so that a date or a sum is none of these.
  [/(?<![\w.:-])\+?\d(?:[ ()/.-]{0,3}\d){8,18}(?![\w:-])/g, '[number]'],
]
const AMOUNTS: Mask[] = [
  [/(?:[$\u00a3\u00a5\u20ac]|\b(?:USD|EUR|GBP|CHF|JPY)) ?\d[\d.,']{0,20}/gi, '[amount]'],
  [
    /\d[\d.,']{0,20} ?(?:[$\u00a3\u00a5\u20ac]|(?:USD|EUR|GBP|CHF|JPY|dollars?|euros?|pounds?|francs?)\b)/gi,
    '[amount]',
  ],
]
const MASKS: Record<Privacy, Mask[]> = {
  secrets: SECRETS,
  contacts: [...SECRETS, ...CONTACTS],
  strict: [...SECRETS, ...CONTACTS, ...AMOUNTS],
}
/** Ids and instants are ours: what a model says is tied to facts by them. */
const KEPT = /^(?:[a-z]{2,5}_[0-9a-hjkmnp-tv-z]{26}|\d{4}-\d\d-\d\d(?:T[\d:.]+Z)?|\d\d:\d\d(?::\d\d)?)$/

/** `hide`: the same value with what a model is not told masked in every text of it. `show`: its words with the names back. */
export type Redaction = { hide(value: unknown): unknown; show(text: string): string }

export function redaction(privacy: Privacy, names: string[] = []): Redaction {
  const known = privacy === 'strict' ? names : []
  const people = new Map(known.flatMap((name, n) => partsOf(name).map((part) => [part.toLowerCase(), n + 1])))
  // The longest first: a name before its parts.
  const words = [...people.keys()]
    .sort((a, b) => b.length - a.length)
    .map((word) => word.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&'))
  const pattern =
    words.length === 0 ? null : new RegExp(`(?<![\\p{L}\\p{N}])(?:${words.join('|')})(?![\\p{L}\\p{N}])`, 'giu')
  const masked = (text: string) => {
    const bare = MASKS[privacy].reduce((left, [mask, word]) => left.replaceAll(mask, word), text)
    return pattern ? bare.replaceAll(pattern, (name) => `[person ${people.get(name.toLowerCase()) ?? 0}]`) : bare
  }
  const hide = (value: unknown): unknown => {
    if (typeof value === 'string') return KEPT.test(value) ? value : masked(value)
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map(hide)
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, hide(one)]))
  }
  const show = (text: string) =>
    text.replaceAll(/\[person (\d{1,4})\]/g, (mask, n: string) => known[Number(n) - 1] ?? mask)
  return { hide, show }
}

const partsOf = (name: string) => [name, ...name.split(/[\s,]+/).filter((part) => part.length > 1)]

const DAY_MS = 86_400_000
const NEAR_DAYS = 60
const MOST = 100
const MOST_NAMES = 500
const NO_NAMES = new Set('a an and at he her his i is it my our she the their they we who with'.split(' '))

/** As the person wants it. One trip; three where names are to be known. */
export async function redactionOf(ctx: FactCtx): Promise<Redaction> {
  const { privacy } = await getSettings(ctx)
  return redaction(privacy, privacy === 'strict' ? await namesOf(ctx) : [])
}

/** Of memories of people, and of who comes to events of these weeks. */
async function namesOf(ctx: FactCtx): Promise<string[]> {
  const at = (days: number) => new Date(ctx.now().getTime() + days * DAY_MS).toISOString()
  const [memories, events] = await Promise.all([
    listMemories(ctx, { limit: MOST, kind: 'person' }),
    listEvents(ctx, { from: at(-NEAR_DAYS), to: at(NEAR_DAYS), limit: MOST }),
  ])
  const said = memories.items.flatMap(({ text }) => namesIn(text))
  const come = events.items.flatMap(({ attendees }) => attendees.flatMap(({ name }) => name ?? []))
  return [...new Set([...come, ...said])].slice(0, MOST_NAMES)
}

/** Capitals that follow each other, without the words that begin a sentence. */
function namesIn(text: string): string[] {
  const runs = text.matchAll(/\p{Lu}[\p{L}'\u2019-]{0,60}(?: \p{Lu}[\p{L}'\u2019-]{0,60}){0,3}/gu)
  return [...runs].flatMap(([run]) => {
    const words = run.split(' ').map((word) => word.replace(/['\u2019]s$/, ''))
    const name = words.filter((word) => word.length > 1 && !NO_NAMES.has(word.toLowerCase())).join(' ')
    return name === '' ? [] : [name]
  })
}
