import { readTime } from '#ai'
import { Definition } from './definition.ts'
import { actionsIn } from './draft-actions.ts'
import { leftOver, type Meant, templateFor } from './draft-templates.ts'
import { happening, type SetOff, temporal } from './draft-triggers.ts'
import type { Template } from './templates/template.ts'
import { offeredTemplates, TEMPLATES } from './templates.ts'
import type { Params } from './when-of.ts'

/** A workflow as it was read from a sentence. */
export type Drafted = {
  name: string
  description: string
  savesMinutes: number
  template: string | null
  definition: Definition
  params: Params
  says: string
  /** Parts of the sentence that nothing of it does. */
  notUnderstood: string[]
}
export type Unread = { notUnderstood: string[]; because: string }
type At = { now: string; timeZone: string }

const WRAPPING =
  /^(?:(?:hey|hi|ok|okay|so|please|can you|could you|would you|will you|i want you to|i'd like you to|i would like you to|i want to|i'd like to|i want|i'd like|i would like|i need|draft|build|create|make|set up|write|design|add|new|me|an?|the)[\s,]+){0,8}(?:workflow|automation|routine|flow|rule)\b[\s,:-]*(?:(?:that|which|to|where you|with which you|for me|so that you|will)[\s,:]+){0,3}/i
const ASKS =
  /^(?:(?:hey|hi|ok|okay|so|please|can you|could you|would you|will you|i want you to|i'd like you to|i would like you to)[\s,]+){1,5}/i
const THIRD =
  /\b(add|create|make|remind|tell|ping|nudge|notify|alert|warn|send|ask|put|show|give|let)s (me|a|an|the)\b/gi
const LATE_AT = '09:00'

/** "Create a workflow that ...": what is wanted of it. A task to be created is no wrapping. */
function core(text: string): string {
  const plain = text
    .replace(/[\u2018\u2019]/g, "'")
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/[.!]+$/, '')
    .replace(THIRD, '$1 $2')
  const rest = plain.replace(WRAPPING, '')
  return rest === '' ? plain : rest.replace(ASKS, '')
}

/** What a sentence asks for as a workflow, by rules: a template, or one trigger with what follows from it. */
export async function draftByRules(text: string, at: At): Promise<Drafted | Unread> {
  const said = core(text)
  // The tomorrow of each day is no day of its own.
  const isAgain = /\b(?:every|each|daily|weekdays)\b/i.test(said)
  const time = await readTime(isAgain ? said.replace(/\b(?:tomorrow(?:'s)?|the next day)\b/gi, '') : said, at)
  const set = temporal(time, LATE_AT)
  const found = happening(said, set && time.rhythm ? timeOf(set) : LATE_AT)
  if (found) {
    const rest = found.setOff.oncePer === undefined ? found.rest : (await readTime(found.rest, at)).rest
    return graph(found.setOff, rest)
  }
  const meant = templateFor(said)
  if (meant) return await ofTemplate(meant, { said, rest: time.rest, set, isOnce: time.rhythm === null })
  if (!set) {
    const [, condition] = /\b(?:when(?:ever)?|if|every time|as soon as|after) (.+?)(?:,|$)/i.exec(said) ?? []
    return condition
      ? { notUnderstood: [condition.slice(0, 300)], because: 'Nothing like it happens here that could be waited for' }
      : { notUnderstood: [said.slice(0, 300)], because: 'It does not say when: give a time, or what has to happen' }
  }
  return graph(set, time.rest)
}

function timeOf({ trigger }: SetOff): string {
  if (trigger.kind !== 'cron') return LATE_AT
  const [minute = '0', hour = '9'] = trigger.cron.split(' ')
  return `${hour.padStart(2, '0')}:${minute.padStart(2, '0')}`
}

function graph({ trigger, gather, analysis, says, subject, when, oncePer }: SetOff, rest: string): Drafted | Unread {
  const asked = actionsIn(rest, subject)
  if ('problem' in asked)
    return { notUnderstood: [asked.problem.slice(0, 300)], because: 'It can tell you something or create a task' }
  const actions = asked.steps.map((step) => (when === undefined ? step : { ...step, when }))
  const definition = Definition().parse({
    ...{ triggers: trigger.kind === 'manual' ? [trigger] : [trigger, { kind: 'manual' }], priority: 'routine' },
    ...{ gather, analysis, suggestion: null, actions, ...(oncePer && { oncePer }) },
  })
  const sentence = `${says}: ${asked.says}.`
  const name = asked.name.slice(0, 120)
  return {
    name,
    description: sentence,
    savesMinutes: 1,
    template: null,
    definition,
    params: {},
    says: sentence,
    notUnderstood: [],
  }
}

type Said = { said: string; rest: string; set: SetOff | null; isOnce: boolean }

async function ofTemplate(meant: Meant, { said, rest, set, isOnce }: Said): Promise<Drafted | Unread> {
  const { key, params: given } = meant
  const template = (await offeredTemplates()).find((one) => one.key === key)
  if (!template) {
    const needs = TEMPLATES.find((one) => one.key === key)
      ?.definition.requires?.join(' and ')
      .replaceAll('_', ' ')
    return { notUnderstood: [said.slice(0, 300)], because: `That needs ${needs}, which is not connected` }
  }
  const definition = Definition().parse(template.definition)
  const names = new Set(definition.parameters?.map((parameter) => parameter.name))
  const kept = Object.fromEntries(Object.entries(given).filter(([name]) => names.has(name)))
  const timed = set && !isOnce ? inTime(template, definition, early(set, said, key)) : null
  const made = { ...(timed?.definition ?? definition) }
  const params = { ...kept, ...timed?.params }
  const when = timed ? `${timed.says}: ` : ''
  return {
    ...{ name: template.name, description: template.description, savesMinutes: template.savesMinutes, template: key },
    notUnderstood: leftOver(rest, meant, `${template.name} ${template.description}`).map((part) => part.slice(0, 300)),
    ...{ definition: made, params, says: `${when}${template.name}. ${template.description}` },
  }
}

// "A briefing at 7:30" is no evening's.
function early(set: SetOff, said: string, key: string): SetOff {
  if (key !== 'morning_brief' || set.trigger.kind !== 'cron' || /\b(?:pm|evening|night|1[6-9]:|2\d:)/i.test(said))
    return set
  const [minute = '0', hour = '0', ...days] = set.trigger.cron.split(' ')
  if (Number(hour) < 16) return set
  const before = timeOf(set)
  const cron = [minute, String(Number(hour) - 12), ...days].join(' ')
  const moved: SetOff = { ...set, trigger: { kind: 'cron', cron } }
  return { ...moved, says: set.says.replace(before, timeOf(moved)) }
}

const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday']

/** The template at the time that was said: by its parameters where these can say it, else by a trigger of its own. */
function inTime({ definition: { triggers } }: Template, definition: Definition, set: SetOff) {
  const [first] = triggers
  // A condition that is looked at from a time on, on whatever days it names itself.
  if (set.trigger.kind === 'cron' && first?.kind === 'condition' && first.check?.includes('{{ params.at }}'))
    return { definition, params: { at: timeOf(set) }, says: set.says }
  if (set.trigger.kind === 'cron' && first?.kind === 'cron') {
    const on = set.trigger.cron.split(' ')[4] ?? '*'
    const at = timeOf(set)
    if (first.cron.includes(`"${on}"`)) return { definition, params: { at }, says: set.says }
    const day = WEEKDAYS[Number(on)]
    if (first.cron.includes('params.on') && day) return { definition, params: { at, on: day }, says: set.says }
  }
  const [, ...others] = definition.triggers
  return { definition: { ...definition, triggers: [set.trigger, ...others] }, params: {}, says: set.says }
}
