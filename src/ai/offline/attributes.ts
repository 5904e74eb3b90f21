import type { Draft, Priority, Project } from './intent.ts'
import { rule } from './lexicon.ts'
import { raw, re } from './pattern.ts'
import { lengthOf } from './spans.ts'
import { editDistance } from './spelling.ts'
import { escapeRegExp, stem, tokens } from './words.ts'

const LEVELS: [RegExp, Priority][] = [
  [/not (?:that |so |very )?(?:urgent|important)|low|no rush|p4|whenever|minor/i, 'low'],
  [/urgent|asap|critical|top|highest|p1|p0|emergency|crucial/i, 'urgent'],
  [/high|important|p2|!!/i, 'high'],
  [/medium|normal|regular|p3|standard|default/i, 'medium'],
]
export const priorityOf = (text: string): Priority | undefined => LEVELS.find(([re]) => re.test(text))?.[1]

const LEVEL = 'urgent|high|highest|medium|normal|low|lowest|top|critical|important'
const PRIORITY_FORMS = [
  rule(`^(?:(?:${LEVEL})[ -]?priority|${LEVEL}|p[0-4]|asap|no rush)\\s*(?::|-|,|!|;)+\\s*`, 'i'),
  rule(`\\s*[,(;-]?\\s*(?:\\bwith |\\bas |\\bat )?(?:a )?\\b(?:${LEVEL})[ -]priority\\)?`, 'i'),
  rule(`\\s*[,(;-]?\\s*\\bpriority:? ?(?:is |to )?(?:${LEVEL}|p[0-4])\\b\\)?`, 'i'),
  rule(
    `\\s*[,(;:-]?\\s*\\b(?:it'?s |this is |that'?s |and it'?s |make it |mark it |mark it as ` +
      `)?(?:really |very |super |kinda |pretty |not |so )*(?:urgent|important|critical|a priority|an ` +
      `emergency)\\)?[.!]*$`,
    'i',
  ),
  rule(
    '\\s*[,(;-]?\\s*\\b(?:asap|a\\.s\\.a\\.p\\.?|urgently|no rush|as soon as possible|as soon as i ' +
      'can|whenever)\\b\\)?',
    'i',
  ),
  rule(`\\s*[,;-]\\s*(?:${LEVEL})(?: prio)?[.!]*$`, 'i'),
  rule('\\s*\\bp[0-4]\\b', 'i'),
  rule('^(?:urgent|important|critical) (?=\\w)', 'i'),
  rule('\\s*[,;(]\\s*(?:very |super |really )?(?:urgent|important|critical)\\s*(?=[,;)])\\)?', 'i'),
  rule('\\s*!{2,}\\s*$', 'i'),
]

type Took = { text: string }

function takePriority(draft: Draft, took: Took): void {
  for (const form of PRIORITY_FORMS) {
    const m = form.exec(took.text)
    if (!m || m[0].trim() === took.text.trim()) continue
    draft.priority = priorityOf(m[0]) ?? 'high'
    took.text = took.text.replace(form, ' ')
    return
  }
}

function takeLabels(draft: Draft, took: Took): void {
  const labels: string[] = []
  took.text = took.text.replace(/(^|\s)#([\p{L}\p{N}_-]{1,40})/gu, (_, space: string, label: string) => {
    labels.push(label.toLowerCase())
    return space
  })
  const said = /[\s,]*\b(?:tag(?:ged)?(?: it)?|label(?:led|ed)?(?: it)?)(?: with| as)? ([\w-]{1,40})[\s.]*$/i.exec(
    took.text,
  )
  if (said?.[1] && said.index > 0) {
    labels.push(said[1].toLowerCase())
    took.text = took.text.slice(0, said.index)
  }
  if (labels.length > 0) draft.labels = labels
}

const ESTIMATES = [
  re(
    raw`^((?:\d+(?:\.\d+)?|an?|one|two|three|half an) ?-?(?:hours?|hrs?|h|minutes?|mins?)) (?:of |for )?`,
    raw`(?!(?:before|after|later|earlier|ago|from|reminder|timer|alarm|notice|warning|until|till|to|and|in|on|at)\b)(?=[a-z])`,
  ),
  re(
    raw`[\s,.;(-]*\b(?:(?:it|this|that|which)(?:'ll| will| should| would| might| may)? |should |`,
    raw`will |would |might )?takes? (?:me )?(?:about |around |roughly |`,
    raw`maybe )?((?:[\w.]+ ){0,3}?[\w.]+)\)?[.!]?$`,
  ),
  /[\s,.;]*\((?:est\.? |estimate:? |about |approx\.? |~ ?)?([\w. ]{1,20})\)/i,
  /[\s,.;-]*\b(?:est\.?|estimate|estimated|eta|duration):? (?:at |of |about )?((?:[\w.]+ ?){1,4})$/i,
  /[\s,.;-]*\b(?:about |around )?([\w.]+ ?(?:hours?|hrs?|h|minutes?|mins?)) of work\b/i,
  re(
    raw`\s+for (?:about |around )?((?:\d+(?:\.\d+)?|an?|one|two|three|half an|twenty|thirty|`,
    raw`forty[- ]five) ?(?:hours?|hrs?|h|minutes?|mins?)(?: and a half)?)(?=\s|$|[.,!])`,
  ),
]

function takeEstimate(draft: Draft, took: Took): void {
  took.text = took.text.replace(/[\s,;]+$/, '')
  for (const form of ESTIMATES) {
    const m = form.exec(took.text)
    const minutes = m?.[1] ? lengthOf(m[1].trim()) : undefined
    if (!m || !minutes || minutes > 14_400) continue
    draft.estimate = minutes
    took.text = `${took.text.slice(0, m.index)} ${took.text.slice(m.index + m[0].length)}`
    return
  }
}

function takeNotes(draft: Draft, took: Took): void {
  const m =
    /[\s,.;(-]*\b(?:notes?|details?|description|with (?:a |the )?note)\s*(?::|that says|saying)\s*(.+?)\)?$/i.exec(
      took.text,
    )
  if (!m?.[1] || m.index === 0) return
  draft.notes = m[1].trim()
  took.text = took.text.slice(0, m.index)
}

const same = (a: string, b: string) => tokens(a).map(stem).join(' ') === tokens(b).map(stem).join(' ')

/** "groceries", "the grocery list", "house stuff": the project a person means. */
export function findProject(name: string, projects: Project[]): Project | undefined {
  const wanted = name
    .trim()
    .replace(/^(?:the|my|our) /i, '')
    .replace(/\s+(?:list|project|folder|stuff|tasks|board|one)$/i, '')
  if (!wanted) return undefined
  const plain = (p: Project) => p.name.replace(/\s+(?:list|project)$/i, '')
  return (
    projects.find((p) => same(p.name, wanted) || same(plain(p), wanted)) ??
    projects.find((p) => wanted.length >= 4 && plain(p).toLowerCase().startsWith(wanted.toLowerCase())) ??
    projects.find((p) => wanted.length >= 5 && editDistance(plain(p).toLowerCase(), wanted.toLowerCase()) === 1)
  )
}

function takeProject(draft: Draft, took: Took, projects: Project[]): void {
  for (const project of projects) {
    const name = escapeRegExp(project.name.replace(/\s+(?:list|project)$/i, ''))
    const forms = [
      new RegExp(
        `\\s+(?:to|in|under|into|on|for|inside)(?: the| my| our)? ${name}(?: project| list| folder)?(?=$|[\\s,.!])`,
        'i',
      ),
      new RegExp(`^(?:in|for|on|under)(?: the| my| our)? ${name}(?: project| list)?\\s*[:,-]\\s*`, 'i'),
      new RegExp(`^${name}(?: project| list)?\\s*:\\s*`, 'i'),
      new RegExp(`\\s*\\+${name}(?=$|\\s)`, 'i'),
    ]
    const form = forms.find((re) => re.test(took.text))
    if (!form) continue
    if (form === forms[0] && !endsOrNamed(took.text, form, project.name)) continue
    draft.projectId = project.id
    took.text = took.text.replace(form, ' ')
    return
  }
}

/** "lunch for work" names no project unless it closes the sentence or says so. */
function endsOrNamed(text: string, form: RegExp, name: string): boolean {
  const m = form.exec(text)
  if (!m) return false
  if (/project|list|folder/i.test(m[0].slice(name.length))) return true
  return /^[\s.!]*$/.test(text.slice(m.index + m[0].length)) && /^\s+(?:to|in|under|into)\b/i.test(m[0])
}

/** Takes the named attributes out of the text and into the draft; what is left is title and time. */
export function takeAttributes(text: string, draft: Draft, projects: Project[]): string {
  const took = { text }
  takeNotes(draft, took)
  takeLabels(draft, took)
  takeEstimate(draft, took)
  takeProject(draft, took, projects)
  takePriority(draft, took)
  return took.text.replace(/\s+/g, ' ').trim()
}
