/** Verbs by what they come to, each as it is promised, told and had. What one of a family did, another had promised. */
const FAMILIES: Readonly<Record<string, string>> = {
  send: 'send/sent mail/mailed email/emailed forward/forwarded share/shared submit/submitted post/posted pass/passed transfer/transferred deliver/delivered ship/shipped/shipping upload/uploaded hand/handed file/filed publish/published get/got',
  speak:
    'call/called ring/rang/rung phone/phoned text/texted message/messaged write/wrote/written reply/replied respond/responded answer/answered tell/told let/let ask/asked remind/reminded ping/pinged confirm/confirmed invite/invited introduce/introduced speak/spoke/spoken talk/talked',
  make: 'finish/finished complete/completed finalize/finalized finalise/finalised do/did/done make/made prepare/prepared draft/drafted build/built bake/baked cook/cooked fix/fixed repair/repaired update/updated translate/translated review/reviewed read/read test/tested merge/merged sign/signed print/printed clean/cleaned clear/cleared paint/painted mow/mowed put/put have/had',
  find: 'check/checked look/looked find/found research/researched compare/compared',
  pay: 'pay/paid buy/bought order/ordered book/booked reserve/reserved renew/renewed cancel/cancelled/canceled register/registered',
  bring:
    'bring/brought pick/picked drop/dropped return/returned give/gave/given show/showed/shown drive/drove/driven take/took/taken water/watered help/helped',
  plan: 'schedule/scheduled arrange/arranged organise/organised organize/organized set/set follow/followed circle/circled',
}

type Verb = { base: string; family: string }

// An isolate's start makes none of it.
let known: { base: ReadonlyMap<string, Verb>; past: ReadonlyMap<string, Verb> } | undefined

function verbs() {
  if (known) return known
  const [base, past] = [new Map<string, Verb>(), new Map<string, Verb>()]
  for (const [family, words] of Object.entries(FAMILIES)) {
    for (const forms of words.split(' ')) {
      const [first = '', ...others] = forms.split('/')
      const verb = { base: first, family }
      base.set(first, verb)
      for (const form of others) past.set(form, verb)
    }
  }
  known = { base, past }
  return known
}

export const promisedVerb = (word: string): Verb | undefined => verbs().base.get(word) ?? gerund(word)
export const doneVerb = (word: string): Verb | undefined => verbs().past.get(word)

function gerund(word: string): Verb | undefined {
  if (!word.endsWith('ing')) return undefined
  const stem = word.slice(0, -3)
  const { base } = verbs()
  return (
    base.get(stem) ?? base.get(`${stem}e`) ?? (stem.at(-1) === stem.at(-2) ? base.get(stem.slice(0, -1)) : undefined)
  )
}

const EMPTY =
  "a about after again all also an and any are as at back be been before but by can could do down each everybody everyone first for from get got had has have he her hers him his i i'd i'll i'm i've if in is it its just me mine more my next no not now of off on one or our out over please ready so some soon something stuff such than that that's the their them then there these they thing things this those time to today together tomorrow tonight up us was we were what when which while who will with would yes yet you your later done morning afternoon evening noon night day week weekend month year yesterday end eod monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september october november december jan feb mar apr jun jul aug sep sept oct nov dec am pm"
let empty: ReadonlySet<string> | undefined

const MAX_WORDS = 200

/** The words of a text, in lower case, with what English hangs on them. */
export const wordsOf = (text: string): string[] =>
  (text.toLowerCase().match(/[\p{L}\p{N}]+(?:['-][\p{L}\p{N}]+)*/gu) ?? []).slice(0, MAX_WORDS)

/** What a text is about: its words without verbs known here, dates and such as mean nothing alone. */
export function topicOf(text: string): Set<string> {
  empty ??= new Set(EMPTY.split(' '))
  const topic = new Set<string>()
  for (const word of wordsOf(text)) {
    const plain = word.replace(/'s$/, '')
    if (empty.has(plain) || /^\d/.test(plain) || promisedVerb(plain) || doneVerb(plain)) continue
    topic.add(singular(plain))
  }
  return topic
}

const singular = (word: string) =>
  word.length > 3 && word.endsWith('s') && !word.endsWith('ss') ? word.slice(0, -1) : word
