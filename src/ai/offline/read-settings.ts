import { type Hm, hm } from './clock.ts'
import type { Intent, World } from './intent.ts'
import { rule, weekdayOf } from './lexicon.ts'
import { raw, re, reU } from './pattern.ts'
import { readTime } from './read-clock.ts'
import { readWhen } from './when.ts'
import { sentence } from './words.ts'
import { zoneOf } from './zones.ts'

type Made = Intent | undefined
const prefs = (patch: Record<string, unknown>, saying: string): Intent => ({ kind: 'prefs', patch, saying })

const HERE = reU(
  raw`^(?:(?:i'?m|i am|we'?re|we are|i'?ve|i have|i|we|just|now)\s+)*(?:(?:now|currently|back|`,
  raw`just|already|finally|safely|temporarily)\s+)*(?:(?:in|at|living in|living|staying in|`,
  raw`working from|based in|based|arrived in|arrived at|landed in|landed at|moved to|moving to|`,
  raw`relocated to|travell?ing in|flew to|visiting|here in|over in|live in|home in|made it to|`,
  raw`got to|reached|relocating to)\s+)+(?:the )?([\p{L} .'-]{2,40}?)(?:\s+(?:now|today|this week|`,
  raw`at the moment|currently|right now|again|for .{2,20}|until .{2,20}|till .{2,20}|these days|`,
  raw`atm|already))*[.!]*$`,
)
const NOW_IN = reU(
  raw`\b(?:currently|now|right now|at the moment) (?:in|at) ([\p{L} ]{2,30}?)[.!]*$|\b(?:i'?m|`,
  raw`we'?re)\b.*\bin ([\p{L} ]{2,30}?) (?:now|right now|currently|at the moment)[.!]*$`,
)
const ARRIVED = reU(
  raw`^(?:i'?m|i am|we|we're|i|just)\b.{0,20}\b(?:flying|flew|went|going|travel(?:l?ed|l?ing)|`,
  raw`moved|headed) to ([\p{L} ]{2,30}?)(?:,| and|;)? (?:i |we |and |have |just )*(?:landed|`,
  raw`arrived|touched down|got here|here now|made it)\b`,
)
const SET_ZONE = reU(
  raw`^(?:(?:set|change|switch|update|make|use|put|move)\s+(?:me |my |the )?(?:time ?zone|tz|zone|`,
  raw`clock|times?)?\s*(?:(?:to|as|is|on)\b|:|=)*|my (?:time ?zone|tz) is(?: now)?|(?:i'?m|`,
  raw`i am) (?:on|in)|time ?zone:?)\s*(?:the )?([\p{L}/_ +-]{2,40}?)(?: time| time ?zone| now|`,
  raw` please)*[.!]*$`,
)

export function readZone(c: string): Made {
  const here =
    HERE.exec(
      c.replace(/\b(?:since (?:today|yesterday|this morning|monday)|as of (?:today|now)|for now|over here) /i, ''),
    ) ??
    ARRIVED.exec(c) ??
    (/\b(?:time|date)\b|\?|^(?:what|how|when)/i.test(c) ? null : NOW_IN.exec(c))
  const explicit = /\b(?:time ?zone|tz)\b/i.test(c)
  const set = SET_ZONE.exec(c)
  const said = here?.[1] ?? here?.[2] ?? (set && (explicit || /\btime\b/i.test(c)) ? set[1] : undefined)
  const found = said ? zoneOf(said) : undefined
  if (found) return prefs({ timeZone: found }, `Your time zone is now ${found}`)
  if (explicit && set?.[1] && !/^(?:what|which|is|am)\b/i.test(c)) {
    return {
      kind: 'say',
      text:
        `I don't know a time zone called “${set[1].trim()}”. Try a city, such as “Berlin”, or a name ` +
        `like Europe/Berlin.`,
    }
  }
  return undefined
}

type Ends = { from: Hm; to: Hm }
const CLOCK =
  '(\\d{1,2}|noon|midnight|{hourword})(?:[:.](\\d\\d))?(?: ?(am|pm|a|p|at night|in the (?:morning|evening|afternoon)))?'

function hourOf(word: string, minute: string | undefined, ap: string | undefined, evening: boolean): Hm {
  const names: Record<string, number> = {
    noon: 12,
    midnight: 0,
    one: 1,
    two: 2,
    three: 3,
    four: 4,
    five: 5,
    six: 6,
    seven: 7,
    eight: 8,
    nine: 9,
    ten: 10,
    eleven: 11,
    twelve: 12,
  }
  const n = names[word.toLowerCase()] ?? Number(word)
  const m = Number(minute ?? 0)
  if (/midnight|noon/i.test(word) || n > 12) return { hour: n % 24, minute: m }
  if (ap && /night/i.test(ap) && n === 12) return { hour: 0, minute: m }
  if (ap) return { hour: (n % 12) + (/^p|night|evening|afternoon/i.test(ap) ? 12 : 0), minute: m }
  if (evening) return { hour: n === 12 ? 0 : n + 12, minute: m }
  return { hour: n, minute: m }
}

/** Night hours run from an evening to a morning, working hours within a day. */
function ends(c: string, kind: 'night' | 'day'): Ends | undefined {
  const m =
    rule(`${CLOCK}\\s*(?:-|to|until|till|and|through)\\s*${CLOCK}\\b`, 'i').exec(c) ??
    rule(`${CLOCK.replace(')?)?', ')?)')}\\s+${CLOCK}\\b`, 'i').exec(c)
  if (m?.[1] && m[4]) {
    const fromBare = !m[3] && !m[2]?.startsWith('0')
    const noonish = /\bin the (?:afternoon|evening)\b/i.test(c)
    const from = hourOf(
      m[1],
      m[2],
      m[3],
      kind === 'night' && fromBare && ((Number(m[1]) >= 6 && Number(m[1]) <= 12) || noonish),
    )
    if (noonish && !m[3] && !m[6]) return { from, to: hourOf(m[4], m[5], m[6], true) }
    const to = hourOf(m[4], m[5], m[6], kind === 'day' && !m[6] && Number(m[4]) <= 8)
    return { from, to }
  }
  if (kind === 'day') return undefined
  const after = rule(`\\b(?:after|from|past|starting(?: at)?)\\s+${CLOCK}\\b`, 'i').exec(c)
  const before = rule(`\\b(?:before|until|till)\\s+${CLOCK}\\b`, 'i').exec(c)
  if (!after?.[1] && !before?.[1]) return undefined
  const from = after?.[1]
    ? hourOf(after[1], after[2], after[3], !after[3] && Number(after[1]) >= 5)
    : { hour: 22, minute: 0 }
  const to = before?.[1] ? hourOf(before[1], before[2], before[3], false) : { hour: 7, minute: 0 }
  return { from, to }
}

const QUIET = re(
  raw`\b(?:quiet (?:hours?|time)|quiet from|be quiet|do not disturb|dnd|(?:don't|do not|never|`,
  raw`stop) (?:disturb|bother|notify|ping|message|text|buzz|interrupt|wake|alert|nudg)\w*(?: me)?|`,
  raw`(?:no|stop|mute|pause|block|silence|hold)(?: all| my| the| sending)* (?:notifications?|`,
  raw`pings?|messages?|texts?|alerts?|interruptions?|disturbance|reminders?)|silent (?:hours|mode)|`,
  raw`mute (?:me|notifications))\b`,
)

function quiet(c: string): Made {
  if (!QUIET.test(c) || /^(?:what|when|which|show|are|do i)\b/i.test(c)) return undefined
  if (
    re(
      raw`\b(?:turn off|disable|remove|clear|no more|delete|switch off|stop|end|without|cancel|`,
      raw`drop)\b.*\bquiet|\bquiet (?:hours?|time) off\b|\bno quiet hours\b|\b(?:don't|`,
      raw`do not) (?:want|need) (?:any )?quiet|\b(?:turn off|disable|end) (?:dnd|do not disturb)`,
    ).test(c)
  ) {
    return prefs({ quietHours: null }, 'Quiet hours are off')
  }
  const found = ends(c, 'night')
  if (!found)
    return /\bquiet|\bdnd|disturb/i.test(c)
      ? { kind: 'say', text: 'From when to when? For example “quiet hours 10pm to 7am”.' }
      : undefined
  const hours = { from: hm(found.from), to: hm(found.to) }
  return prefs({ quietHours: hours }, `Quiet hours are now ${hours.from} to ${hours.to}`)
}

function workDays(c: string): number[] {
  const run = rule('\\b({wd})s?\\s*(?:-|to|through|thru|until|till)\\s*({wd})s?\\b', 'i').exec(c)
  if (run?.[1] && run[2]) {
    const [a, b] = [weekdayOf(run[1]) ?? 1, weekdayOf(run[2]) ?? 5]
    return Array.from({ length: ((b - a + 7) % 7) + 1 }, (_, i) => ((a - 1 + i) % 7) + 1).sort((x, y) => x - y)
  }
  if (/\b(?:every ?day|7 days|daily|all week)\b/i.test(c)) return [1, 2, 3, 4, 5, 6, 7]
  if (/\bweekends?\b/i.test(c)) return [6, 7]
  const named = [...new Set([...c.matchAll(rule('\\b{wd}s?\\b', 'gi'))].map((m) => weekdayOf(m[0]) ?? 1))].sort(
    (a, b) => a - b,
  )
  return named.length > 0 ? named : [1, 2, 3, 4, 5]
}

function working(c: string): Made {
  if (
    !re(
      raw`\b(?:i work|(?:my )?work(?:ing)? (?:hours?|day|time|from|schedule)|office hours|`,
      raw`my hours are|i'm at work|i'?m working (?:from )?\d|i am working)\b|^(?:now )?working\b.*\d`,
    ).test(c) ||
    /^(?:what|when|which|show)\b/i.test(c)
  )
    return undefined
  if (/\b(?:clear|remove|no|turn off|unset|forget)\b.*\bwork(?:ing)? hours/i.test(c))
    return prefs({ workingHours: null }, 'Working hours are cleared')
  const found = ends(c, 'day')
  if (!found) return undefined
  const workingHours = { from: hm(found.from), to: hm(found.to), days: workDays(c) }
  return prefs({ workingHours }, `Working hours are now ${workingHours.from} to ${workingHours.to}`)
}

const LANGUAGES: Record<string, string> = {
  'american english': 'en-US',
  'us english': 'en-US',
  'british english': 'en-GB',
  'uk english': 'en-GB',
  english: 'en',
  german: 'de-DE',
  french: 'fr-FR',
  spanish: 'es-ES',
  italian: 'it-IT',
  portuguese: 'pt-PT',
  'brazilian portuguese': 'pt-BR',
  dutch: 'nl-NL',
  polish: 'pl-PL',
  japanese: 'ja-JP',
  hindi: 'hi-IN',
  'indian english': 'en-IN',
}

function person(c: string, world: World): Made {
  const name = re(
    raw`^(?:(?:you can |please |just )?(?:call me|address me as|refer to me as)|my (?:good |full |first )?name is|`,
    raw`my name's|change my (?:display )?name to|set my (?:display )?name to|the name's|`,
    raw`i go by)\s+(.{1,40}?)(?: (?:from now on|now|please|instead))*[.!]*$`,
  ).exec(c)
  if (
    name?.[1] &&
    !readWhen(name[1], world.clock).when &&
    !/^(?:when|if|back|later|a|an|the|on|at|in)\b/i.test(name[1])
  ) {
    const displayName = name[1]
      .replace(/^["']|["']$/g, '')
      .split(' ')
      .map(sentence)
      .join(' ')
    if (!world.can('set_preferences', 'displayName'))
      return { kind: 'remember', text: `Goes by the name ${displayName}`, about: 'fact' }
    return prefs({ displayName }, `I'll call you ${displayName}`)
  }
  const locale = re(
    raw`^(?:set|change|switch|use|make)(?: my| the)? (?:language|locale|date format)?\s*(?:to |`,
    raw`is )?([a-z]{2}-[a-z]{2}|[a-z ]{5,24})$`,
  ).exec(c)
  const code = locale?.[1]
    ? (LANGUAGES[locale[1].toLowerCase()] ??
      (/\b(?:language|locale)\b/i.test(c) && /^[a-z]{2}-[a-z]{2}$/i.test(locale[1])
        ? `${locale[1].slice(0, 2).toLowerCase()}-${locale[1].slice(3).toUpperCase()}`
        : undefined))
    : undefined
  if (code) return prefs({ locale: code }, `Your language setting is now ${code}`)
  const voice = re(
    raw`^(?:(?:set|change|switch|use)(?: your| the| my| to)* voice(?: to| is| called)?|`,
    raw`use the voice|speak with(?: the)?(?: voice)?) (?:the )?(.{2,40}?)(?: voice)?$`,
  ).exec(c)
  return voice?.[1]
    ? prefs({ voice: { voiceId: voice[1].toLowerCase() } }, `Voice set to ${voice[1].toLowerCase()}`)
    : undefined
}

const SHOW = re(
  raw`\b(?:my (?:settings|preferences|prefs|quiet hours|working hours|work hours|time ?zone|`,
  raw`locale|voice|language|profile|name)|the settings|settings|preferences|time ?zone (?:am i|`,
  raw`do you|are we|are you|is set)|what (?:is|are) (?:the )?quiet hours)\b`,
)

export function readSettings(c: string, world: World): Made {
  const ask = re(
    raw`^(?:what|which|show|list|see|view|check|when|are|tell me|open|display|`,
    raw`do you know my name)\b|^(?:my )?(?:settings|preferences|prefs)\??$`,
  ).test(c)
  if (ask && SHOW.test(c)) {
    const about = /name/i.test(c)
      ? 'displayName'
      : /zone/i.test(c)
        ? 'timeZone'
        : /quiet/i.test(c)
          ? 'quietHours'
          : /work/i.test(c)
            ? 'workingHours'
            : ''
    return { kind: 'prefs-show', about }
  }
  return readZone(c) ?? quiet(c) ?? working(c) ?? person(c, world) ?? readTime(c, world)
}
