import { type Step, stepsOf } from './definition.ts'

/** What is told when a step of this kind was done. */
const TELLS: Readonly<Record<string, string>> = {
  create_task: 'task.created',
  update_task: 'task.updated',
  bulk_update: 'task.updated',
  complete_task: 'task.completed',
  reopen_task: 'task.reopened',
  delete_task: 'task.deleted',
  restore_task: 'task.restored',
  create_project: 'project.created',
  archive_project: 'project.updated',
  delete_project: 'project.deleted',
  remember: 'memory.created',
  update_memory: 'memory.updated',
  forget: 'memory.deleted',
  create_event: 'event.created',
  update_event: 'event.updated',
  move_event: 'event.updated',
  delete_event: 'event.deleted',
  set_preferences: 'me.updated',
}

function actsOf(steps: readonly Step[]): Extract<Step, { do: string }>[] {
  return steps.flatMap((step) => {
    if ('do' in step) return [step]
    if ('branch' in step) return actsOf([...step.branch.flatMap(({ then }) => then), ...(step.else ?? [])])
    return 'forEach' in step ? actsOf(step.steps) : []
  })
}

export const ownEvents = (steps: readonly Step[]): string[] => actsOf(steps).flatMap((step) => TELLS[step.do] ?? [])

/** The workflows it calls, with the places; one whose id is made when it runs is stopped by how deep runs may call. */
export function callsOf(definition: Parameters<typeof stepsOf>[0]): string[] {
  return actsOf(stepsOf(definition)).flatMap(({ do: kind, input }) =>
    kind === 'run_workflow' && typeof input['workflowId'] === 'string' ? [input['workflowId']] : [],
  )
}

/** The way by which a workflow would come to call itself, or null. `calls`: whom each of the others calls. */
export function cycleFrom(
  id: string,
  direct: readonly string[],
  calls: ReadonlyMap<string, readonly string[]>,
): string[] | null {
  const seen = new Set<string>()
  const walk = (at: string, way: string[]): string[] | null => {
    if (at === id) return [...way, at]
    if (seen.has(at)) return null
    seen.add(at)
    for (const next of calls.get(at) ?? []) {
      const found = walk(next, [...way, at])
      if (found) return found
    }
    return null
  }
  for (const next of direct) {
    const found = walk(next, [id])
    if (found) return found
  }
  return null
}
