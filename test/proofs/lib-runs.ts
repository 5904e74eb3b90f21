import type { World } from '../world.ts'

type Told = { id: string; type: string }
type Audit = (
  world: Pick<World, 'query'>,
  person: { userId: string },
  told: Told[],
  report: (violation: string) => void,
) => Promise<void>

/** Each firing is one run and one event that begins it. */
export const auditRuns: Audit = async ({ query }, { userId }, told, report) => {
  const rows = await query('select id, workflow_id, cause from workflow_runs where user_id = $1', [userId])
  const begun = told.filter(({ type }) => type === 'run.requested').map(({ id }) => id.split('.')[0])
  for (const { id } of rows)
    if (begun.filter((run) => run === id).length !== 1) report(`the run ${id} is not begun once`)
  if (begun.length !== rows.length) report(`${begun.length} runs were asked for, and ${rows.length} are there`)
}

/** Whatever asks for a run, and how often: it has one instance, of its own name. */
export const auditInstances: Audit = async ({ query }, { userId }, told, report) => {
  const twice = 'select id from workflow_runs where user_id = $1 and instance_id is not null and instance_id <> id'
  for (const { id } of await query(twice, [userId])) report(`${id} was begun more than once`)
  for (const { id, type } of told) {
    if (type !== 'run.requested') continue
    const [run] = await query('select status from workflow_runs where id = $1', [id.split('.')[0]])
    if (!run || run.status === 'requested') report(`${id} began nothing`)
  }
}
