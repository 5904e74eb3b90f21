const SPELLINGS = `
tomorrow: tmrw tmr tmrrw tmw tomo tomoz 2moro 2morrow 2mrw tomorow tommorow tommorrow tomorro tmmrw tomorrw
tomorrow: tomrw tmorrow tomor
today's: todays
tomorrow's: tomorrows
yesterday's: yesterdays
today: toay tdoay toda tdy 2day todya tody toady
tonight: tonite 2nite 2night tonigt 2nyt
yesterday: yest yday ystrday
monday: mondy mnday munday
tuesday: tusday tuesdy tueday teusday
wednesday: weds wensday wednsday wendsday wedensday wednesdy wenesday
thursday: thurs thur tursday thrus thusr thrusday thursady thrsday thurday
friday: firday frday fridy friady
saturday: satruday saterday satuday satday
sunday: sundy sunady
next: nxt nex
week: wk weeek
weeks: wks
weekend: wknd wkend weekened
month: mnth mth
morning: mornin morinn morn mrng mornign
afternoon: arvo aftn afternon
minutes: mintues minuts
hour: horu
how: hwo
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
everything: everyting everyhing evrything everythin
something: someting somthing
anything: anyting anyhting
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
what's: whats wats wat's watz whast wahts whtas whta's wahst
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
check: chcek chekc
really: realy
going: gonig goign giong
actually: acutally actualy acually actualyl
forward: forwadr
except: ecxept execpt exept
current: curent
office: offie
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

const GUESSED =
  'today tomorrow yesterday tonight morning afternoon evening night midnight weekend weekday weekdays monday tuesday ' +
  'wednesday thursday friday saturday sunday january february march april august september october november december ' +
  'weeks month months monthly weekly daily yearly annually hourly quarterly fortnightly every other minute minutes ' +
  'hours years before after until between during starting quarter about around lunch dinner breakfast first second ' +
  'third fourth remind reminder remember schedule reschedule complete completed delete remove cancel finish finished ' +
  'postpone rename priority urgent important project projects archive snooze repeat repeating recurring everything ' +
  'anything something when where which tasks overdue change create settings preferences timezone quiet ' +
  'working notifications disturb bother groceries grocery shopping forget hello thanks please meeting ' +
  'appointment birthday christmas actually instead sorry never these those cancelled deadline reopen email'
const VOCABULARY = GUESSED.split(' ')
/** Short ones are only ever two letters swapped. */
const SHORT =
  'week list show task done move push make mark call next last what when with have noon half todo undo'.split(' ')
/** Words of the language that stand one letter from a guessed one; gathered from 62,000 words of prose. */
const REAL = new Set(
  (
    'charge changes creates there deletes created were match setting removed means stream changed others removes ' +
    'remote checks deleted mean notification reports newer abort seconds renamed stating launch protect quite alter ' +
    'scheduled labels ever archives caller moves remainder cancels completes marc marco theme renames quit stopping ' +
    'preference pushes forth thank scheduler chance wording finisher mach finishes canceled archived emails emil ' +
    'callee shipping neves resort talks repeats meetings starring brother protects compete marsh daly chuck rewind ' +
    'thinks crate quarters sundays forgets finnish workings reminds reminders remembers quilt competed reschedules ' +
    'theses thirds mondays deadlines mouth mouths weeds weaks lurch diner diners toady toddy sundae sundaes mourning ' +
    'remand deplete argent members warning seventeen cancer lapel libel creased crease culled pleas pleased plead ' +
    'tanks hell hells hull minuet mince melting meting retort untie form pats nigh eight whether shopper chopping ' +
    'works worker forge forged father either mother bother bothers bethere checked cheek bough brought lander lanes ' +
    'labels timers tamer timber every very fist fires quits quietly dates daisy dairy diary weak weed weep wee their ' +
    'forgot forgotten recording recoding reheating reheat computed otter sittings seatings daring staring starving ' +
    'startling chick calmed quartet nerve aground elevens forces repeal repealing repenting sunny money monkey ' +
    'year years complex complexes christian christians products prospects prefects projector importance impotent ' +
    'decline strings timeline moth moths monte monty lynch augusta chancel archie archer compute computer ' +
    'compelled complied concealed furnished postcode weakly crete emery recurrent grocer grocers birthdate ' +
    'fortnight fortnights reindeer actuality thee pease abound whore aster dinger donner donna mcknight avril yeats ' +
    'remanded horus frida evers neve sundry thanos christa christus tusks annuals evert couplet couplets compacted ' +
    'remixer quint forger channelled firs nono dally surry eventing hallo hella danner util deadlift deadlifts ' +
    'deadlinks protests marcy renate dailey weepy weebly compote chard moaning starlings competes quartz quarry ' +
    'slipping slopping snipping going weeps starling pleas repent forges then than thing things think thank thane house hour hunt lasts list lost'
  ).split(' '),
)
const INFLECTED = /(?:s|es|ed|d|ing|er|ers|ly|'s)$/

function isKnown(word: string): boolean {
  if (REAL.has(word) || VOCABULARY.includes(word) || SHORT.includes(word)) return true
  return VOCABULARY.some((known) => word.startsWith(known) && INFLECTED.test(word))
}

const swapped = (a: string, b: string) =>
  a.length === b.length && a !== b && [...a].sort().join('') === [...b].sort().join('')

function guess(word: string): string | undefined {
  if (!/^[a-z]{4,13}$/.test(word) || isKnown(word)) return undefined
  const short = SHORT.find((known) => swapped(word, known) && editDistance(word, known) === 1)
  if (short) return short
  return VOCABULARY.find((known) => {
    const begins = known[0] === word[0]
    if (known.length < 5 || !(begins || (known[0] === word[1] && known[1] === word[0]))) return false
    const edits = editDistance(word, known)
    if (edits === 1) return true
    return edits === 2 && known.length >= 8 && word.length >= 7 && begins && !/ing$/.test(word)
  })
}

/** One word as it was meant. */
export function spell(word: string): string {
  const lower = word.toLowerCase()
  if (lower.length <= 2 && lower !== word && lower !== 'im') return word
  const [stem, tail] = lower.endsWith("'s") ? [lower.slice(0, -2), "'s"] : [lower, '']
  const fixed = FIX.get(lower) ?? FIX.get(stem)
  if (fixed !== undefined) return fixed + (FIX.has(lower) ? '' : tail)
  const guessed = guess(stem)
  return guessed === undefined ? word : guessed + tail
}
