import { raw, reG } from './pattern.ts'

const MAX_READ_CHARS = 1000

const SPELLINGS = `
tomorrow: tmrw tmr tmrrw tmw tomo tomoz 2moro 2morrow 2mrw tomorow tommorow tommorrow tomorro tmmrw tomorrw
tomorrow: tomrw tmorrow tomor
today's: todays
tomorrow's: tomorrows
yesterday's: yesterdays
today: tdy 2day todya tody toady
tonight: tonite 2nite 2night tonigt 2nyt
yesterday: yest yday ystrday
monday: mondy mnday munday
tuesday: tusday tuesdy tueday teusday
wednesday: weds wensday wednsday wendsday wedensday wednesdy wenesday
thursday: thurs thur thrusday thursady thrsday thurday
friday: firday frday fridy friady
saturday: satruday saterday satuday satday
sunday: sundy sunady
next: nxt nex
week: wk weeek
weeks: wks
weekend: wknd wkend weekened
month: mnth mth
morning: mornin morn mrng mornign
afternoon: arvo aftn afternon
minutes: mintues minuts
hour: horu
with: wth wiht w
before: b4 befor befroe
about: abt abuot
please: pls plz plss pleas pleae
you: u
your: ur
are: r
ok: k kk okey
thanks: thx thnx tnx ty thks thankyou tysm tks
have: hav hve haev havr
show: shwo
meeting: meetin meting
due: deu
list: lsit
move: moev mvoe
push: psuh
done: doen dnoe
snooze: snoze snooz
monthly: montly monthy
every: evry evrey evey
mark: makr
because: cuz bc coz
want to: wanna
going to: gonna
need to: needa
got to: gotta
have to: hafta
let me: lemme
give me: gimme
i'm: im iam
i've: ive
don't: dont dnt
didn't: didnt
doesn't: doesnt
isn't: isnt
can't: cant
won't: wont
haven't: havent
wasn't: wasnt
aren't: arent
what's: whats wats wat's watz
what: wat wht
where's: wheres
when's: whens
who's: whos
how's: hows
that's: thats
let's: lets
there's: theres
yeah: yea yeh yah
now: rn
right: rigth
remind: remnd remined rmeind remidn remid rimind remaind remnid
remind me: remindme
remember: remmber rember remeber rememeber remembr
reminder: remindr
schedule: shedule scheduel schedual
reschedule: reshedule reschedual
delete: delte deleet dleete delet
cancel: cancle cansel
complete: complet compelte
finished: finsihed finshed finised
project: projct porject
groceries: grocerys grocries
urgent: urgant urgnt
priority: prio priorty prority
never mind: nevermind nvm nm nvmd nevrmind
the: teh hte
and: n nd adn
`
const FIX = new Map<string, string>()
for (const line of SPELLINGS.trim().split('\n')) {
  const [right, wrong] = line.split(': ')
  for (const word of (wrong ?? '').split(' ')) FIX.set(word, right ?? word)
}

const GUESSED =
  'tomorrow yesterday monday tuesday wednesday thursday friday saturday sunday january february september october ' +
  'november december weekend morning afternoon evening tonight remind reminder remember schedule reschedule complete ' +
  'delete urgent priority postpone finished'
const VOCABULARY = GUESSED.split(' ')
const REAL_WORDS = new Set(
  'sundae sundaes mourning remand rewind deplete compete remainder argent completed deleted ' +
    'reminded scheduled members warning seventeen'.split(' '),
)

/** Adjacent swaps count as one edit; stops early, since only 0, 1 and 2 matter. */
export function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let best = Math.min((row[j] ?? 9) + 1, (next[j - 1] ?? 9) + 1, (row[j - 1] ?? 9) + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (before[j - 2] ?? 9) + 1)
      next.push(best)
    }
    before = row
    row = next
  }
  return row[b.length] ?? 9
}

function guess(word: string): string | undefined {
  if (word.length < 5 || word.length > 11 || REAL_WORDS.has(word)) return undefined
  for (const known of VOCABULARY) {
    if (word === known || word.startsWith(known) || known.startsWith(word)) return undefined
  }
  const allowed = word.length >= 9 ? 2 : 1
  return VOCABULARY.find((known) => known[0] === word[0] && editDistance(word, known) <= allowed)
}

function spell(word: string): string {
  const lower = word.toLowerCase()
  if (lower.length <= 2 && lower !== word && lower !== 'im') return word
  const [stem, tail] = lower.endsWith("'s") ? [lower.slice(0, -2), "'s"] : [lower, '']
  const fixed = FIX.get(lower) ?? FIX.get(stem)
  if (fixed !== undefined) return fixed + (FIX.has(lower) ? '' : tail)
  const guessed = guess(stem)
  return guessed === undefined ? word : guessed + tail
}

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
