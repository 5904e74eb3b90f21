import { findProject } from './attributes.ts'
import { isGood, splitItems } from './groceries.ts'
import type { Draft, Intent, Project, World } from './intent.ts'
import { raw, re } from './pattern.ts'
import { draftOf } from './read-create.ts'
import { isAction, QUESTION } from './verbs.ts'
import { readWhen, type When } from './when.ts'
import { sentence, tokens } from './words.ts'

const LIST_WORDS = re(
  raw`^(?:groceries|grocery|shopping|packing|errands|wish|wishlist|reading|bucket|gifts?|movies|`,
  raw`watch|chores|supplies|ideas|costco|target|walmart|ikea|tesco|aldi|lidl|hardware|pharmacy|`,
  raw`books|christmas|party|travel)$`,
)
const GENERIC =
  /^(?:to-?do|todo|to do|tasks?|list|calendar|plate|day|it|that|them|there|me|agenda|schedule|inbox|diary)$/i
const PRONOUN = /^(?:it|that|this|them|those|these)$/i

const create = (draft: Draft): Intent => ({ kind: 'create', draft })
const nameOf = (text: string) =>
  text
    .trim()
    .replace(/^(?:the|my|our|a) /i, '')
    .replace(/\s+(?:list|project)$/i, '')

function itemsOf(text: string, world: World, when: When | undefined): Draft[] {
  const first = tokens(text)[0] ?? ''
  const names = isAction(first) && !/[,\n]/.test(text) ? [text] : splitItems(text)
  return names.map((name) => {
    const draft = draftOf(name, { ...world, projects: [] }, false)
    return { ...draft, title: draft.title || sentence(name), ...(when ? { when } : {}) }
  })
}

function into(
  place: string,
  itemText: string,
  world: World,
  when: When | undefined,
  asProject: boolean,
): Intent | undefined {
  const name = nameOf(place)
  const text = itemText.replace(/^(?:to|:|-)\s+/i, '').trim()
  if (text === '' || PRONOUN.test(text)) return undefined
  const project = findProject(name, world.projects)
  const items = itemsOf(text, world, when)
  if (!project) return { kind: 'fill', list: sentence(name), items }
  const [only] = items
  if (asProject && only && items.length === 1) {
    const target = { kind: 'named' as const, names: [only.title] }
    return { kind: 'change', target, change: { projectId: project.id }, orCreate: { ...only, projectId: project.id } }
  }
  const placed = items.map((draft) => ({ ...draft, projectId: project.id }))
  return placed.length === 1 && placed[0] ? create(placed[0]) : { kind: 'fill', list: project.name, items: placed }
}

/** "add book venue to it", and "add butter too": into the list just made or filled. */
function intoLast(c: string, world: World): Intent | undefined {
  const more = /^(?:add|and|also|get|plus) (?:some )?(.+)$/i.exec(c)
  const bare = more?.[1] ?? c
  const goods = world.state.projectId && world.state.wrote && bare.length < 80 ? splitItems(bare) : []
  const known = goods.length > 0 && goods.every((g) => isGood(g) || isGood(g.split(' ').at(-1) ?? ''))
  const m = re(
    raw`^(?:add|put|include)\s+(.+?)\s+(?:to|in|into|on|under)\s+(?:it|that|there|that (?:project|`,
    raw`list)|this (?:project|list)|the (?:project|list)|the new (?:project|list))[.!]*$`,
  ).exec(c)
  const text = known ? bare : m?.[1]
  return text ? { kind: 'fill', list: '', items: itemsOf(text, world, undefined) } : undefined
}

const known = (place: string, world: World): Project | undefined => findProject(nameOf(place), world.projects)
const isList = (place: string, suffix: string | undefined, world: World) =>
  !GENERIC.test(nameOf(place)) &&
  (known(place, world) !== undefined || suffix !== undefined || LIST_WORDS.test(nameOf(place)))

type Form = { re: RegExp; items: number; place: number; suffix?: number; strict?: true }
const PLACE = "((?:my |the |our )?[\\w' -]{2,50}?)"
const ADDING = '(?:please )?(?:add|put|stick|throw|pop|include|get|write)'
const FORMS: Form[] = [
  {
    re: new RegExp(
      `^${ADDING} (?:a |an )?(?:new )?(?:task|todo|item) (?:to|in|for|under|on) ${PLACE}(?: (list|` +
        `project))?(?:\\s*[:-]|,| to)\\s*(.+)$`,
      'i',
    ),
    place: 1,
    suffix: 2,
    items: 3,
    strict: true,
  },
  {
    re: new RegExp(
      `^(?:create|make|new) (?:a |an )?(?:new )?(?:task|todo|item) (?:in|for|under|on) ${PLACE}(?: ` +
        `(list|project))?(?:\\s*[:-]|,| to)\\s*(.+)$`,
      'i',
    ),
    place: 1,
    suffix: 2,
    items: 3,
    strict: true,
  },
  {
    re: new RegExp(`^${ADDING} (?:to|on|in|into|onto) ${PLACE}(?: (list|project))?\\s*[:-]\\s*(.+)$`, 'i'),
    place: 1,
    suffix: 2,
    items: 3,
  },
  {
    re: new RegExp(`^${ADDING} (.+?) (?:to|on|onto|in|into|under) ${PLACE}(?: (list|project))?[.!]*$`, 'i'),
    items: 1,
    place: 2,
    suffix: 3,
  },
  {
    re: new RegExp(`^(?:we need|i need|need) (.+?) (?:to|on|for) ${PLACE}(?: (list))?[.!]*$`, 'i'),
    items: 1,
    place: 2,
    suffix: 3,
    strict: true,
  },
  { re: new RegExp(`^${PLACE}(?: (list|project))?\\s*:\\s*(.+)$`, 'i'), place: 1, suffix: 2, items: 3, strict: true },
  {
    re: new RegExp(`^${PLACE}(?: (list|project))?,? (?:add|put) (.+)$`, 'i'),
    place: 1,
    suffix: 2,
    items: 3,
    strict: true,
  },
  {
    re: new RegExp(
      `^(?:in|on|for|under|to) ${PLACE}(?: (list|project))?,? (?:add|create|put)(?: a task(?: to)?)? (.+)$`,
      'i',
    ),
    place: 1,
    suffix: 2,
    items: 3,
    strict: true,
  },
  {
    re: new RegExp(`^(.{2,120}?) (?:to|on|onto|into|in) ${PLACE}(?: (list))?[.!]*$`, 'i'),
    items: 1,
    place: 2,
    suffix: 3,
    strict: true,
  },
]

/** `strict` forms name no verb of adding, or could be a sentence about something else: the list must be known. */
export function readList(c: string, world: World): Intent | undefined {
  const last = intoLast(c, world)
  if (last) return last
  if (QUESTION.test(c) || /\?\s*$/.test(c)) return undefined
  const { rest, when } = readWhen(c, world.clock)
  for (const [i, form] of FORMS.entries()) {
    const text = i === 5 && when ? c : rest
    const m = form.re.exec(text)
    const [place, items, suffix] = [m?.[form.place], m?.[form.items], form.suffix ? m?.[form.suffix] : undefined]
    if (
      !place ||
      !items ||
      PRONOUN.test(items.trim()) ||
      /^(?:(?:my|all|open|the|all my) )?(?:tasks?|todos|stuff|things)$/i.test(items.trim())
    )
      continue
    const loose = i === FORMS.length - 1
    if (loose && !(suffix && /,|\bon\b/i.test(text)) && !(known(place, world) && !isAction(tokens(items)[0] ?? '')))
      continue
    if (form.strict && !loose && !known(place, world)) continue
    if (!isList(place, suffix, world)) continue
    if (/^put (?:the|my|this)\b/i.test(c)) return undefined
    return into(place, items, world, when, suffix?.toLowerCase() === 'project' && i === 3)
  }
  return undefined
}
