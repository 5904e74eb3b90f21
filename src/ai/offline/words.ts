import { raw, reG } from './pattern.ts'
import { spell } from './spelling.ts'

const MAX_READ_CHARS = 1000

/** One clean, bounded, spell-checked text; case and line breaks survive. */
export function tidy(said: string): string {
  const calm = /[A-Z]{3}/.test(said) && !/[a-z]/.test(said) ? said.slice(0, MAX_READ_CHARS).toLowerCase() : said
  const plain = calm
    .slice(0, MAX_READ_CHARS)
    .toWellFormed()
    .replace(/[\u0000-\u0009\u000b-\u001f\u007f\ufffd]/g, ' ')
    .replace(/\u2026/g, '...')
    .normalize('NFKC')
    .replace(/[^\S\n]+/g, ' ')
    .replace(/[\u2018\u2019\u02bc`\u00b4]/g, "'")
    .replace(/\s*(?:[\u2705\u2714\u2611]\ufe0f?|\[x\])\s*/giu, ' done ')
    .replace(/[\u201c\u201d\u201e]/g, '"')
    .replace(/[\u2010\u2011\u2012\u2013\u2014\u2212]/g, '-')
    .replace(/\u2026/g, '...')
    .replace(/\s*(?:\u2192|=>|->|\u21d2)\s*/g, ' -> ')
    .replace(/\bm ?\/ ?w ?\/ ?f\b|\bmwf\b/gi, 'mon wed and fri')
    .replace(/\bt(?:ue?)? ?\/ ?thu?\b|\btth\b/gi, 'tue and thu')
    .replace(/\bwhen it'?s (?=\d)/gi, 'at ')
    .replace(/\bw\/(?!o\b)\s?/gi, 'with ')
    .replace(
      reG(
        raw`\bits (?=(?:not|an?|the|done|finished|urgent|high|low|important|at|on|now|due|for|ok|fine|`,
        raw`been|actually|super|really|too|also|for|\d)\b)`,
      ),
      "it's ",
    )
    .replace(/@\s?(?=\d)/g, ' at ')
    .replace(/[^\S\n]+/g, ' ')
    .replace(/\b([ap])\.\s?m\./gi, '$1m')
  return plain.replace(/(?<![#\w@./'-])[a-z0-9]+(?:'[a-z]+)?(?![\w/@])/gi, spell).trim()
}

const STOP = new Set(
  (
    'a an the my our your his her their this that these those to of for on in at by with and or is ' +
    'are was be been it its ' +
    'i me we you do did done have has had get got go thing things task tasks one ones reminder ' +
    'reminders item items todo ' +
    'stuff about from up out off please just now today tomorrow s t ve re ll m please all any some as so'
  ).split(' '),
)

/** Word stems for matching: "calls", "called" and "calling" meet. */
const SHORT: Record<string, string> = {
  mtg: 'meet',
  appt: 'appointment',
  appts: 'appointment',
  bday: 'birthday',
  prez: 'presentation',
  preso: 'presentation',
  hw: 'homework',
  pset: 'problem',
  doc: 'doctor',
  mum: 'mom',
  mgr: 'manager',
  dr: 'doctor',
  xmas: 'christmas',
  info: 'information',
}

export function stem(word: string): string {
  if (SHORT[word.toLowerCase()]) return SHORT[word.toLowerCase()] ?? word
  const w = word.toLowerCase().replace(/'s$/, '').replace(/'/g, '')
  if (w.length > 6 && w.endsWith('ment')) return w.slice(0, -4)
  if (w.length > 5 && w.endsWith('ing')) return dropDouble(w.slice(0, -3))
  if (w.length > 4 && w.endsWith('ied')) return `${w.slice(0, -3)}y`
  if (w.length > 4 && w.endsWith('ies')) return `${w.slice(0, -3)}y`
  if (w.length > 4 && w.endsWith('ed')) return dropDouble(w.slice(0, -2))
  if (w.length > 4 && /(s|x|ch|sh)es$/.test(w)) return w.slice(0, -2)
  if (w.length > 3 && w.endsWith('s') && !w.endsWith('ss')) return w.slice(0, -1)
  return w
}

const dropDouble = (w: string) => (/([bdgmnprt])\1$/.test(w) ? w.slice(0, -1) : w)

export const tokens = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]+(?:'[\p{L}]+)?/gu) ?? []

/** The words that tell one thing from another. */
export const telling = (text: string): string[] => tokens(text).filter((w) => !STOP.has(w))

export function sentence(text: string): string {
  const trimmed = text.trim()
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1)
}

export const escapeRegExp = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
