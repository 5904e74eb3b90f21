import { and, isNotNull, isNull } from 'drizzle-orm'
import { AppError, type UserCtx } from '#core'
import { ownedBy } from '#database'
import { getInsights, listTasks } from '#tasks'
import { Definition } from './definition.ts'
import { effectInputs } from './kinds.ts'
import { whyAbsent } from './requirements.ts'
import type { ChangeCtx, ReadCtx } from './row.ts'
import { workflows } from './tables.ts'
import { DAY_TEMPLATES } from './templates/day.ts'
import { HOME_TEMPLATES } from './templates/home.ts'
import { LATER_TEMPLATES } from './templates/later.ts'
import { TASK_TEMPLATES } from './templates/tasks.ts'
import type { Template, Usage } from './templates/template.ts'
import { faultsOf } from './validate.ts'
import type { NewFromTemplate, ShownTemplate, TemplateQuery, WorkflowWhole } from './workflow-schema.ts'
import { createWorkflow } from './workflows.ts'

export const TEMPLATES: readonly Template[] = [
  ...DAY_TEMPLATES,
  ...TASK_TEMPLATES,
  ...HOME_TEMPLATES,
  ...LATER_TEMPLATES,
]

let offered: Template[] | undefined

/** Those that can be run here: what needs what is not there stays out of sight. */
export async function offeredTemplates(): Promise<Template[]> {
  offered ??= (
    await Promise.all(TEMPLATES.map(async (template) => ((await isOffered(template)) ? [template] : [])))
  ).flat()
  return offered
}

async function isOffered({ definition }: Template): Promise<boolean> {
  const { requires = [] } = definition
  if (requires.some((need) => whyAbsent(need) !== null)) return false
  return (await faultsOf(Definition().parse(definition), effectInputs())).length === 0
}

/** Templates by their words; those that suit how the person lives here come first, with the reason. Up to three trips. */
export async function listTemplates(ctx: ReadCtx & Pick<UserCtx, 'now'>, query: TemplateQuery) {
  const [usage, used, templates] = await Promise.all([usageOf(ctx), usedBy(ctx), offeredTemplates()])
  const wanted = (query.text ?? '').toLowerCase().split(/\s+/).filter(Boolean)
  const items = templates
    .filter((template) => wanted.every((word) => textOf(template).includes(word)))
    .filter(({ category }) => query.category === undefined || category === query.category)
    .map((template) => shownTemplate(template, usage, used))
    .filter(({ reason }) => !query.recommended || reason !== null)
  items.sort((a, b) => Number(b.reason !== null) - Number(a.reason !== null))
  return { items, nextCursor: null }
}

const textOf = ({ name, description, words, category }: Template) =>
  `${name} ${description} ${words} ${category}`.toLowerCase()

function shownTemplate(template: Template, usage: Usage, used: ReadonlySet<string>): ShownTemplate {
  const { key, name, description, category, savesMinutes, definition } = template
  const isUsed = used.has(key)
  return {
    ...{ key, name, description, category, savesMinutes, isUsed },
    parameters: definition.parameters ?? [],
    reason: isUsed ? null : template.suits(usage),
  }
}

/** Which templates the person has made workflows of. */
async function usedBy({ db, actor }: ReadCtx): Promise<Set<string>> {
  const rows = await db
    .select({ key: workflows.templateKey })
    .from(workflows)
    .where(and(ownedBy(actor, workflows.userId), isNull(workflows.deletedAt), isNotNull(workflows.templateKey)))
  return new Set(rows.flatMap(({ key }) => key ?? []))
}

async function usageOf(ctx: ReadCtx & Pick<UserCtx, 'now'>): Promise<Usage> {
  const [insights, { items }] = await Promise.all([
    getInsights(ctx),
    listTasks(ctx, { limit: 100, sort: 'due', open: true }),
  ])
  return {
    open: insights.open,
    overdue: insights.overdue,
    dueToday: insights.dueToday,
    undated: items.filter(({ due }) => due === null).length,
    completedLastWeeks: insights.completedPerWeek.slice(-4).reduce((sum, { count }) => sum + count, 0),
    streakDays: insights.streakDays,
    labels: new Set(items.flatMap(({ labels }) => labels)),
  }
}

/** Makes a workflow of a template with the person's choices. As `createWorkflow`. */
export async function useTemplate(ctx: ChangeCtx, input: NewFromTemplate): Promise<WorkflowWhole> {
  const { template: key, name, params, enabled } = input
  const template = (await offeredTemplates()).find((one) => one.key === key)
  if (!template) {
    const detail = 'there is no such template'
    throw new AppError('invalid_request', `/template: ${detail}`, { errors: [{ pointer: '/template', detail }] })
  }
  const { description, savesMinutes } = template
  const definition = Definition().parse(template.definition)
  const made = { name: name ?? template.name, description, savesMinutes, definition, params, enabled, note: '' }
  return await createWorkflow(ctx, { ...made, template: key })
}
