import { and, asc, eq, gt, isNotNull, isNull, or, type SQL, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { z } from 'zod'
import { AppError, decodeCursor, encodeCursor, s, toPage } from '#core'
import { type ColumnsOf, finding, iso, jsonObject, ownedBy, ownerId, type Sought } from '#database'
import { kick, tell } from '#queue'
import { changing, projectCreated, projectDeleted, projectUpdated, taskUpdated, tellOf } from './events.ts'
import { asker, type ChangeCtx, type CreateCtx, instantOf, kickAll, lockFirst, type ReadCtx } from './row.ts'
import { type NewProject, type Project, type ProjectPatch, type ProjectQuery, position } from './schema.ts'
import { projects, tasks } from './tables.ts'

const LIST = 'projects'
const CursorKey = z.tuple([position, s.id('prj')])
const missing = () => new AppError('not_found', 'There is no such project')
const stale = () => new AppError('version_stale', 'The project has changed since you read it')

function shown(p: ColumnsOf<typeof projects>): SQL<Project> {
  return jsonObject<Project>({
    id: p.id,
    name: p.name,
    colour: p.colour,
    icon: p.icon,
    position: p.position,
    archivedAt: iso(p.archivedAt),
    tainted: p.tainted,
    version: p.version,
    createdAt: iso(p.createdAt),
    updatedAt: iso(p.updatedAt),
  })
}

/** Makes a project with its event. One trip; the same id again answers the project that is there. */
export async function createProject(ctx: CreateCtx, input: NewProject): Promise<Project> {
  const { db, actor } = ctx
  const id = ctx.newId('prj')
  const row = { position: ctx.now().getTime(), ...input, id, userId: ownerId(actor) }
  const me = asker(ctx)
  const made = db
    .$with('made')
    .as(db.insert(projects).values(row).onConflictDoNothing({ target: projects.id }).returning())
  const told = tell(db, 'told', made, {
    kind: projectCreated,
    userId: made.userId,
    key: made.id,
    version: made.version,
    data: shown(made),
  })
  const known = alias(projects, 'known')
  const [answer] = await db
    .with(me, made, told)
    .select({
      project: sql<Project>`case when ${made.id} is not null then ${shown(made)} else ${shown(known)} end`,
      isThere: sql<boolean>`coalesce(${made.id}, ${known.id}) is not null`,
      eventId: told.id,
    })
    .from(me)
    .leftJoin(made, sql`true`)
    .leftJoin(known, and(eq(known.id, id), eq(known.userId, actor.userId)))
    .leftJoin(told, sql`true`)
  if (!answer?.isThere) throw new Error('an insert returned no row')
  kick(ctx, [answer.eventId])
  return answer.project
}

/** One project, archived or not. One trip. */
export async function getProject(ctx: ReadCtx, id: string): Promise<Project> {
  const [row] = await ctx.db
    .select({ project: shown(projects) })
    .from(projects)
    .where(and(eq(projects.id, id), ownedBy(ctx.actor, projects.userId)))
  if (!row) throw missing()
  return row.project
}

/** A project as it is now, as one value. */
export function projectState({ actor }: ReadCtx, id: string): SQL<Project> {
  const mine = and(eq(projects.id, id), ownedBy(actor, projects.userId))
  return sql`(select ${shown(projects)} from ${projects} where ${mine})`
}

/** A page of the person's projects in their order: all, or only those archived or not. One trip. */
export async function listProjects(ctx: ReadCtx, { limit, cursor, archived }: ProjectQuery) {
  const key = cursor === undefined ? undefined : decodeCursor(LIST, cursor, CursorKey)
  const rows = await ctx.db
    .select({ project: shown(projects) })
    .from(projects)
    .where(
      and(
        ownedBy(ctx.actor, projects.userId),
        archived === undefined ? undefined : archived ? isNotNull(projects.archivedAt) : isNull(projects.archivedAt),
        key && after(...key),
      ),
    )
    .orderBy(asc(projects.position), asc(projects.id))
    .limit(limit + 1)
  const all = rows.map(({ project }) => project)
  return toPage(all, limit, (last) => encodeCursor(LIST, [last.position, last.id]))
}

/** Those that say it, archived or not, for a union over kinds. */
export function projectsSaying({ actor }: Pick<ReadCtx, 'actor'>, sought: Sought): SQL {
  const { id, name: title, updatedAt, tainted, userId } = projects
  const body = sql`''::text`
  const where = ownedBy(actor, userId)
  return finding({ area: 'projects', from: projects, id, title, body, updatedAt, tainted, where }, sought)
}

function after(position: number, id: string): SQL | undefined {
  return or(gt(projects.position, position), and(eq(projects.position, position), gt(projects.id, id)))
}

/** Changes what is given, nothing if that is nothing; `archived` puts it away or back. One trip; 404 when missing, 412 when it moved on. */
export async function updateProject(
  ctx: ChangeCtx,
  id: string,
  patch: ProjectPatch,
  version: number | '*',
): Promise<Project> {
  if (Object.keys(patch).length === 0) return unchanged(await getProject(ctx, id), version)
  return (await changeProject(ctx, id, patch, version)).project
}

type Changed = { project: Project; before: Project }

async function changeProject(ctx: ChangeCtx, id: string, patch: ProjectPatch, version: number | '*'): Promise<Changed> {
  const { db, actor } = ctx
  const { archived, ...fields } = patch
  const mine = and(eq(projects.id, id), ownedBy(actor, projects.userId))
  const isNews =
    archived === undefined || Object.keys(fields).length > 0
      ? sql`true`
      : sql`((${projects.archivedAt} is not null) <> ${archived})`
  const current = db.$with('current').as(db.select().from(projects).where(mine))
  const changed = db.$with('changed').as(
    db
      .update(projects)
      .set({
        ...fields,
        ...(archived !== undefined && {
          archivedAt: archived ? sql`coalesce(${projects.archivedAt}, ${instantOf(ctx.now())})` : null,
        }),
        // What is put away already is not put away again: the same version, and with it the same event.
        version: sql`${projects.version} + (${isNews})::int`,
        updatedAt: sql`case when ${isNews} then now() else ${projects.updatedAt} end`,
      })
      .where(and(mine, version === '*' ? undefined : eq(projects.version, version)))
      .returning(),
  )
  const told = tell(db, 'told', changed, {
    kind: projectUpdated,
    userId: changed.userId,
    key: changed.id,
    version: changed.version,
    data: shown(changed),
  })
  const [row] = await db
    .with(current, changed, told)
    .select({ changed: changed.id, project: shown(changed), before: shown(current), eventId: told.id })
    .from(current)
    .leftJoin(changed, eq(changed.id, current.id))
    .leftJoin(told, sql`true`)
  if (!row) throw missing()
  if (row.changed === null) throw stale()
  kick(ctx, [row.eventId])
  return { project: row.project, before: row.before }
}

function unchanged(project: Project, version: number | '*'): Project {
  if (version !== '*' && version !== project.version) throw stale()
  return project
}

/** Puts a project away, or back; its tasks stay in it. One trip. */
export async function archiveProject(ctx: ChangeCtx, id: string, archived = true): Promise<Changed> {
  return await changeProject(ctx, id, { archived }, '*')
}

/** Deletes a project for good; its tasks stay, in none. One trip, with an event for it and for each of them. */
export async function deleteProject(ctx: ChangeCtx, id: string): Promise<Project> {
  const { db, actor } = ctx
  const mine = and(eq(projects.id, id), ownedBy(actor, projects.userId))
  const gone = db.$with('gone').as(db.delete(projects).where(mine).returning())
  const freed = changing(
    db,
    'freed',
    sql`
    update ${tasks} t set project_id = null, version = t.version + 1, updated_at = now()
      from gone where t.project_id = gone.id and t.user_id = gone.user_id returning t.*`,
  )
  const told = tell(db, 'told', gone, {
    kind: projectDeleted,
    userId: gone.userId,
    key: gone.id,
    version: sql`${gone.version} + 1`,
    data: shown(gone),
  })
  const toldTasks = tellOf(db, 'told_tasks', freed, taskUpdated)
  const deleted = db
    .with(gone, freed.cte, told, toldTasks)
    .select({
      project: shown(gone),
      eventIds: sql<
        string[] | null
      >`(select json_agg(id) from (select id from told union all select id from told_tasks) e)`,
    })
    .from(gone)
  // Tasks before their project, as whoever changes both does.
  const inside = lockFirst(ctx, sql`select id from ${tasks} where project_id = ${id}`)
  const folder = db.select({ id: projects.id }).from(projects).where(mine).for('update')
  const [, , [row]] = await db.batch([inside, folder, deleted])
  if (!row) throw missing()
  kickAll(ctx, row.eventIds ?? [])
  return row.project
}

/** The names a prompt may need, as a statement for the batch that opens a turn: the fifty newest open projects. */
export function projectsForPrompt(ctx: ReadCtx) {
  return ctx.db
    .select({ id: projects.id, name: projects.name, tainted: projects.tainted })
    .from(projects)
    .where(and(ownedBy(ctx.actor, projects.userId), isNull(projects.archivedAt)))
    .orderBy(asc(projects.position), asc(projects.id))
    .limit(50)
}
