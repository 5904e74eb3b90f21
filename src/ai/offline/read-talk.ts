import { findProject } from './attributes.ts'
import type { Intent, World } from './intent.ts'
import { raw, re } from './pattern.ts'
import { titleOf } from './read-create.ts'
import { line, numbered } from './say.ts'
import { scan } from './scan.ts'
import { isAction } from './verbs.ts'
import { sentence, tokens } from './words.ts'

const say = (text: string): Intent => ({ kind: 'say', text })

export const ABILITIES =
  'I can add tasks and reminders (also repeating ones), tell you what is due, move, rename, ' +
  'prioritise, snooze, finish, cancel, delete and undo, ' +
  'keep your calendar, projects and lists, remember things about you, set your time zone, quiet and working ' +
  'hours, and tell the time anywhere.'

const THANKS = re(
  raw`^(?:(?:ok |great |perfect |cool |awesome |many |nice |wonderful |amazing )*(?:thanks|`,
  raw`thank you|thank u|cheers|much appreciated|appreciate it|appreciated|merci|gracias|danke|`,
  raw`ta)(?: so much| very much| a lot| a bunch| a ton| again| man| mate| buddy| bro| dear|`,
  raw` aurelius| for (?:that|your help|the help|everything|reminding me)|,? (?:you're|you are|your) (?:so |really |very |just )?(?:great|the best|awesome|amazing|`,
  raw`brilliant|wonderful|helpful|good|a star|a lifesaver))*|you're (?:the best|great|awesome|amazing|brilliant)|`,
  raw`you rock|you're a lifesaver|lifesaver|good (?:job|work|bot|boy)|well done|nice work|love it|`,
  raw`love you)$`,
)
const HELLO = re(
  raw`^(?:hi|hello|hey|hiya|howdy|yo|hola|hallo|good day|greetings|good morning|morning|`,
  raw`good afternoon|good evening|sup|wassup|hi there|hey there|hello there|hey aurelius|`,
  raw`hi aurelius|hello aurelius|aurelius|anyone there|you there|are you there|gm|namaste|`,
  raw`bonjour)(?: aurelius| there| again| everyone| buddy)?$`,
)
const BYE = re(
  raw`^(?:bye|bye bye|goodbye|good bye|see you|see ya|later|cya|talk later|talk to you later|ttyl|`,
  raw`good ?night|gn|night|have a (?:good|nice|great) (?:day|night|one|evening|weekend)|`,
  raw`that's all|that is all|that'll be all|that will be all|that would be all|nothing else|`,
  raw`i'm off|signing off)(?: for (?:now|today)| tomorrow| later| aurelius)*$`,
)
const HELP = re(
  raw`^(?:help(?: me)?|what (?:can|do|could) (?:you|u) (?:do|help (?:me )?with)(?: for me)?|`,
  raw`what are (?:you|u) (?:able to do|capable of|good (?:at|for))|how do(?:es)? (?:this|it|`,
  raw`you) work|how (?:can|do) i use (?:this|you)|what else can you do|commands|options|menu|`,
  raw`capabilities|features|instructions|i need help|how can you help(?: me)?|what (?:is|`,
  raw`are) (?:this|you)(?: for)?|get started|examples|\?+)$`,
)
const FINE = re(
  raw`^(?:ok|okay|cool|great|nice|perfect|awesome|good|fine|alright|sounds good|got it|gotcha|`,
  raw`understood|i see|makes sense|right|sure|wow|lol|haha+|lmao|yay|sweet|excellent|brilliant|`,
  raw`lovely|wonderful|amazing|neat|noted|k|kk|fab|super|ok (?:cool|great|good|thanks|fine|`,
  raw`perfect|nice)|cool cool|very good|very well|all good|no worries|no problem|works for me|`,
  raw`good to know|interesting|done for (?:today|now|the day)|not yet|no not yet|not now|`,
  raw`maybe later|do the needful|\ud83d\udc4d|\ud83d\ude42|\ud83d\ude0a|\ud83c\udf89|hmm+|oh|ah|wait)$`,
)
const WHO = re(
  raw`^(?:who are you|what are you|what's your name|what is your name|are you (?:a |an )?(?:human|`,
  raw`real|bot|robot|ai|chatgpt|claude|person|machine)|who made you|are you there|`,
  raw`tell me about yourself|introduce yourself|what model (?:are you|is this))$`,
)
const MOOD = re(
  raw`^(?:how are (?:you|things|u)(?: doing| today| going)?|how's it going|how do you do|you ok|`,
  raw`what's up|whats up|how have you been|how is it going|how(?: was|'s| is) your (?:day|week|night|morning)(?: going| so far)?)$`,
)
const UPSET = re(
  raw`^(?:you(?:'re| are) (?:useless|stupid|dumb|wrong|bad|terrible|annoying)|this (?:sucks|`,
  raw`is (?:useless|stupid|bad|wrong|terrible))|you suck|wtf|ffs|fuck(?: you| off)?|damn|shit|`,
  raw`bad (?:bot|job)|that's not (?:it|what i asked))$`,
)

function greeting(t: string): string {
  const part = /morning|afternoon|evening/i.exec(t)?.[0].toLowerCase()
  return part ? `Good ${part}` : 'Hello'
}

export function readTalk(c: string, world: World): Intent | undefined {
  const t = c.replace(/[.!?,\s]+$/g, '').replace(/\s+/g, ' ')
  const name = world.displayName ? `, ${world.displayName}` : ''
  if (
    re(
      raw`^what (?:did|have|was) (?:i|you|we|it|that)?(?: that)? ?(?:i |you |we )?just (?:add(?:ed)?|`,
      raw`create[d]?|do|did|done|change[d]?|ma[dk]e|move[d]?|say)$`,
    ).test(t) &&
    world.state.focus.length > 0
  )
    return say(numbered(world.state.focus.map((task) => line(task, world.clock))))
  if (WHO.test(t))
    return say(
      `I'm Aurelius, your assistant, running offline on simple rules and without a language model. ${ABILITIES}`,
    )
  if (HELP.test(t) || /^\?+$/.test(c))
    return say(
      `${ABILITIES} Try “lunch with Sam Thursday noon”, “what's due this week?” or “move the report ` +
        `to Friday morning”.`,
    )
  if (THANKS.test(t)) return say(`You're welcome${name}.`)
  const hello = HELLO.exec(t)
  if (hello) return say(`${greeting(t)}${name}. What can I do for you?`)
  if (BYE.test(t)) return say(/night|gn/i.test(t) ? `Good night${name}.` : `Bye${name}, talk soon.`)
  if (MOOD.test(t)) return say(`All well here${name}. Ask me what's due, or tell me what to take note of.`)
  if (UPSET.test(t))
    return say('Sorry about that. Say “undo” to take back the last change, or “help” to see what I understand.')
  if (/^(?:(?:i'm |so |very |oh )*sorry(?: about that)?|my apologies|apologies)$/i.test(t)) return say('No problem.')
  if (FINE.test(t)) return say('👍')
  return undefined
}

const GENERIC = /^(?:my|the|a|an|to-?do|todo|task|tasks|new|this|that|it|all|up|me)?$/i
const MAKE = '(?:create|make|start|add|set up|open|begin|build)'

export function readProject(c: string, world: World): Intent | undefined {
  const plain = c
    .replace(/[.!?]+$/, '')
    .replace(
      /^(?:i need|i want|i'd like|we need|give me|make me) (?=(?:an? )?(?:new )?(?:.{2,30} )?(?:project|list)\b)/i,
      'create ',
    )
  const made =
    new RegExp(
      `^(?:(?:please )?${MAKE}(?: me)? (?:a |an |another |the )?)?(?:new )?(?:project|list|folder|` +
        `board)\\s*(?:called|named|for|titled|:|-|about)?\\s+["']?(.+?)["']?$`,
      'i',
    ).exec(plain) ??
    new RegExp(`^${MAKE}(?: me)? (?:a |an |my |another )(?:new )?(.+?) (?:project|list|board)$`, 'i').exec(plain) ??
    /^(?:create|make|new) (?!.* (?:in|to|for|on) )(.+?) (?:project|list|board)$/i.exec(plain)
  const fresh = /^(?:create|make|start|add|set up|open|begin|build|please|new)\b/i.test(plain)
  if (
    made?.[1] &&
    fresh &&
    !GENERIC.test(made[1]) &&
    !/\b(?:tasks?|items?) (?:to|for|in)\b|\bto (?:the|my)\b/i.test(made[1]) &&
    !(isAction(tokens(made[1])[0] ?? '') && scan(made[1], world.clock).length > 0)
  ) {
    return { kind: 'project-create', name: sentence(titleOf(made[1])) }
  }
  if (
    re(
      raw`^(?:(?:what|which|show|list|see|view|display|tell me|give me|how many|do i have|`,
      raw`name)\b.*\b(?:projects|lists)\b|(?:my |all )?(?:projects|lists))`,
    ).test(plain) &&
    !/\btasks?\b/i.test(plain)
  )
    return { kind: 'project-list' }
  const gone =
    /^(archive|close|shelve|delete|remove|get rid of|finish)\s+(?:the |my )?(.+?)(\s+(?:project|list|board))?$/i.exec(
      plain,
    )
  if (!gone?.[1] || !gone[2]) return undefined
  const name = gone[2].replace(/^project /i, '')
  const isNamed = gone[3] !== undefined || name !== gone[2]
  const project = findProject(name, world.projects)
  const archive = /^(?:archive|close|shelve)$/i.test(gone[1])
  if (!project)
    return (archive && isNamed) || name !== gone[2] || /^archive/i.test(gone[1])
      ? say(`I don't see a project called “${name}”. ${known(world)}`)
      : undefined
  if (archive) return { kind: 'project-archive', project }
  if (!isNamed) return undefined
  if (world.can('delete_project')) return { kind: 'project-delete', project }
  const intent: Intent = { kind: 'project-archive', project }
  return {
    kind: 'say',
    text: `I can't delete a project, only archive it. Shall I archive “${project.name}”?`,
    ask: { kind: 'offer', intent },
  }
}

const known = (world: World) =>
  world.projects.length > 0 ? `You have: ${world.projects.map((p) => p.name).join(', ')}.` : 'You have no projects yet.'
