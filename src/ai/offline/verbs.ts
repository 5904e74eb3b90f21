import { raw, re } from './pattern.ts'

/** Verbs that begin a thing to do; a sentence that starts with one and asks nothing is a task. */
const ACTIONS =
  'call email mail text message buy get grab pick pay send submit finish write book schedule ' +
  'order return clean wash fix renew review read ' +
  'prepare prep make cook visit meet check follow update print sign post drop take bring water ' +
  'feed walk study practice practise ' +
  'file apply register plan organize organise research draft edit publish deploy test install ' +
  'backup charge pack sell donate ' +
  'replace repair paint build learn watch attend join invite ask tell talk discuss confirm ' +
  'arrange do go run exercise workout ' +
  'stretch meditate vacuum mow iron fold shop ring phone contact reply respond answer transfer ' +
  'deposit withdraw put hang ' +
  'unpack tidy sort throw collect deliver ship upload download scan copy compile analyze analyse ' +
  'present record refill wrap ' +
  'celebrate greet thank wish congratulate look quit try help teach train bake grill plant trim ' +
  'cut shave measure assemble ' +
  'unsubscribe subscribe claim request negotiate hire interview onboard approve chase nudge ' +
  'finalize finalise proofread ' +
  'finalise lock unlock turn charge empty change wake start stop leave catch see give lend borrow cash invoice bill ' +
  'speak chat sync rehearse revise memorize hand swap switch set sweep mop dust defrost freeze ' +
  'recycle move pray swim bike ' +
  'cycle hike drive park refuel fuel treat shovel rake spray inspect verify validate merge ' +
  'refactor debug release design sketch ' +
  'photograph film trade invest budget hydrate drink eat floss brush work come find collate ' +
  'circulate brief escalate rebook pop nip hoover ' +
  'top remind cancel close open complete settle reserve fetch investigate explore evaluate ' +
  'compare calculate count develop define ' +
  'distribute document dust enrol enroll enter estimate examine exchange experiment feature ' +
  'filter forward frame gather generate grade ' +
  'hang harvest host identify implement improve initiate integrate introduce kick launch lead ' +
  'load log maintain manage map mark market ' +
  'mend mentor migrate mix monitor mount nap notify obtain observe offer operate optimize ' +
  'optimise outline oversee patch pitch place play ' +
  'polish pour pull push purchase query raise reach rebuild reboot record recruit redo reduce ' +
  'refund register reject relax relay renew ' +
  'replan replant report reschedule restart restore restock restring retrieve rewrite ride roll ' +
  'rotate save scrub seal secure select separate ' +
  'serve sew shoot skim sleep smoke solve spend split squash stack stage stock store strip style ' +
  'submit supply support survey tape taste ' +
  'telephone test tighten tour trace track transcribe translate transport tune type unblock ' +
  'update upgrade upload use vaccinate varnish vote ' +
  'weed weld whatsapp wipe wire withdraw zoom dm ping facetime skype venmo paypal zelle topup ' +
  'prepay overhaul groom bathe babysit petsit ' +
  'declutter reorganize reorganise recheck double-check doublecheck proof price quote invoice ' +
  'reconcile balance audit appeal apologize ' +
  'apologise congratulate remember-to sand grout tile plaster unclog drain caulk insulate ' +
  'fertilize prune repot compost marinate ' +
  'roast boil chop blend steam grill barbecue brew decorate gift-wrap'
const ACTION_SET = new Set(ACTIONS.split(' '))

export const isAction = (word: string) => ACTION_SET.has(word.toLowerCase())

const IRREGULAR: Record<string, string> = {
  paid: 'pay',
  bought: 'buy',
  sent: 'send',
  did: 'do',
  got: 'get',
  took: 'take',
  wrote: 'write',
  made: 'make',
  met: 'meet',
  ran: 'run',
  went: 'go',
  read: 'read',
  fed: 'feed',
  gave: 'give',
  saw: 'see',
  spoke: 'speak',
  told: 'tell',
  brought: 'bring',
  put: 'put',
  cut: 'cut',
  swept: 'sweep',
  built: 'build',
  sold: 'sell',
  taught: 'teach',
  threw: 'throw',
  left: 'leave',
  drove: 'drive',
  ate: 'eat',
  drank: 'drink',
  rang: 'ring',
  hung: 'hang',
  swam: 'swim',
  found: 'find',
  caught: 'catch',
  lent: 'lend',
  hired: 'hire',
  done: 'do',
  written: 'write',
  taken: 'take',
  given: 'give',
  eaten: 'eat',
  seen: 'see',
  rung: 'ring',
  thrown: 'throw',
  driven: 'drive',
  shot: 'shoot',
  spent: 'spend',
  dealt: 'deal',
  drew: 'draw',
  drawn: 'draw',
  woke: 'wake',
  began: 'begin',
  came: 'come',
  hit: 'hit',
  let: 'let',
  set: 'set',
}

/** "called" → "call", "paid" → "pay"; nothing for a word that is not the past of an action. */
export function presentOf(word: string): string | undefined {
  const w = word.toLowerCase()
  if (IRREGULAR[w]) return IRREGULAR[w]
  if (!w.endsWith('ed')) return undefined
  const bases = [w.slice(0, -2), w.slice(0, -1), w.slice(0, -3), `${w.slice(0, -3)}y`]
  return bases.find((b) => ACTION_SET.has(b))
}

export const QUESTION = re(
  raw`^(?:what|which|when|where|who|whose|why|how|do i|do we|did i|did we|have i|have we|had i|`,
  raw`am i|are we|is there|are there|is my|is the|are my|was|were|any|anything|can i|could i|`,
  raw`should i|will i|does|list|show|display|view|tell me|give me|find|search|look up|look for|`,
  raw`see|let me see|pull up|bring up|read (?:me|out)|check my|check what|check if|remind me what|`,
  raw`remind me when|got anything|got any)\b`,
)

export const COMMAND = re(
  raw`^(?:remind|remember|forget|flag|add|create|new task|make (?:a|an|it|that|the)|todo|to-do|delete|`,
  raw`remove|erase|trash|move|push|postpone|reschedule|shift|bump|delay|mark|check off|tick off|`,
  raw`cross off|complete|what|what's|whats|which|when|when's|how|show|list|tell me|do i|did i|`,
  raw`have i|am i|is there|any(?:thing)?|find|search|set|change|rename|snooze|undo|reopen|`,
  raw`done with|i'?m done|i'?ve (?:done|finished)|i (?:finished|did|paid|called|already)|finished|`,
  raw`i need to|i have to|i've got to|i got to|got to|i must|i should|don't forget|don't let me|`,
  raw`put|note that|note to self|keep in mind|call me|i'm in|quiet hours|cancel|schedule|`,
  raw`prioriti[sz]e|tag|label|archive|repeat|start a (?:project|list)|give me|it's urgent|who|`,
  raw`where|please|can you|could you|also)\b`,
)

export const UNSUPPORTED = re(
  raw`\b(?:weather|temperature|forecast|rain(?:ing)? (?:today|tomorrow)|snow(?:ing)? (?:today|`,
  raw`tomorrow)|news|headlines|stock price|share price|bitcoin|exchange rate|translate|poem|joke|`,
  raw`lyrics|recipe for|capital of|president of|population of|who (?:is|was|won|invented|wrote|`,
  raw`discovered)|world cup|score of|play (?:some )?(?:music|a song|spotify)|turn (?:on|`,
  raw`off) the (?:light|lights|tv|heating|heater|ac)|order me (?:a|an|some)|call me (?:a|`,
  raw`an) (?:cab|taxi|uber)|book me (?:a|an)|google|meaning of|define|how tall|how far|how old is|`,
  raw`square root|what is \d|what's \d|how do (?:i|you)|how to|explain|summari[sz]e|`,
  raw`write (?:me )?(?:a|an) (?:poem|song|story|essay|joke))\b`,
)

export const SENDS = re(
  raw`^(?:send (?:an? |the )?(?:email|e-mail|mail|message|text|sms|slack|whatsapp)|(?:e-?mail|`,
  raw`text|message|whatsapp|slack|sms) \w+(?:[:,] | (?:saying|that|and say|and tell|to say|`,
  raw`to tell)\b)|reply to (?:the|that|this) (?:email|mail|message)|send (?:him|her|them|`,
  raw`\w+) (?:an? )?(?:email|message|text)|call \w+ for me\b|read (?:me )?my (?:e-?mails?|mail|`,
  raw`inbox|messages)|(?:check|open) my (?:e-?mails?|mail|inbox)|book (?:me )?(?:an? )?(?:uber|`,
  raw`taxi|cab)|(?:book|order|buy|get|call) me an?\b|(?:tell|text|message) (?!me\b|us\b|you\b)(?:my )?\w+ (?:that )?(?:i'm|i am|i'll|`,
  raw`i will|i can't|we're|we are|we'll)\b)`,
)
