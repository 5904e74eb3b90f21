import { and, eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { newId } from '#core'
import { outbox } from '#queue/tables'
import { makePerson, type Person } from '#test/database'
import { createTask } from './create.ts'
import { archiveProject, createProject, deleteProject, getProject, listProjects, updateProject } from './projects.ts'
import { Project } from './schema.ts'
import { getTask } from './task.ts'

const NO_PROJECT = 'prj_00000000000000000000000000'

async function typesOf(person: Person, key: string): Promise<string[]> {
  const mine = and(eq(outbox.userId, person.actor.userId), eq(outbox.key, key))
  const events = await person.db.select({ type: outbox.type }).from(outbox).where(mine).orderBy(outbox.version)
  return events.map(({ type }) => type)
}

test('a project is made, read, changed and archived in one trip each, and told each time', async () => {
  const person = await makePerson()
  const made = Project().parse(await createProject(person, { name: 'Boat', colour: '#3366cc', icon: '⛵' }))
  expect(made).toMatchObject({ name: 'Boat', colour: '#3366cc', icon: '⛵', archivedAt: null, version: 1 })
  expect(await getProject(person, made.id)).toEqual(made)
  expect(await updateProject(person, made.id, { colour: null, position: 1.5 }, 1)).toMatchObject({
    name: 'Boat',
    colour: null,
    position: 1.5,
  })
  const { project: archived } = await archiveProject(person, made.id)
  expect(archived).toMatchObject({ archivedAt: expect.any(String), version: 3 })
  expect((await archiveProject(person, made.id)).project.archivedAt).toBe(archived.archivedAt)
  expect((await archiveProject(person, made.id, false)).project).toMatchObject({ archivedAt: null, version: 4 })
  expect(person.meter.trips).toBe(6)
  expect(await typesOf(person, made.id)).toEqual(['project.created', ...Array(3).fill('project.updated')])
})

test('an empty patch answers the project as it is, in one trip, and tells nobody', async () => {
  const person = await makePerson()
  const made = await createProject(person, { name: 'Boat' })
  person.meter.trips = 0
  expect(await updateProject(person, made.id, {}, '*')).toEqual(made)
  expect(await updateProject(person, made.id, {}, 1)).toEqual(made)
  expect(person.meter.trips).toBe(2)
  await expect(updateProject(person, made.id, {}, 2)).rejects.toMatchObject({ code: 'version_stale' })
  await expect(updateProject(person, NO_PROJECT, {}, '*')).rejects.toMatchObject({ code: 'not_found' })
  expect(await typesOf(person, made.id)).toEqual(['project.created'])
})

test('made again under the same id, the project that is there is answered', async () => {
  const id = newId('prj', new Date())
  const person = await makePerson({ newId: () => id })
  const made = await createProject(person, { name: 'once' })
  expect(await createProject(person, { name: 'once' })).toEqual(made)
  expect(await typesOf(person, id)).toEqual(['project.created'])
})

test('a stale version is 412 and a missing project 404', async () => {
  const person = await makePerson()
  const { id } = await createProject(person, { name: 'a' })
  await updateProject(person, id, { name: 'b' }, 1)
  await expect(updateProject(person, id, { name: 'c' }, 1)).rejects.toMatchObject({ code: 'version_stale' })
  await expect(updateProject(person, NO_PROJECT, { name: 'c' }, 1)).rejects.toMatchObject({ code: 'not_found' })
})

test('projects are paged in their order, ties and all, and filtered by whether they are archived', async () => {
  const person = await makePerson()
  const made: Project[] = []
  for (const position of [3, 1, 1, 2, 1]) made.push(await createProject(person, { name: `p${position}`, position }))
  await archiveProject(person, made[3]?.id ?? '')
  const paged: string[] = []
  let cursor: string | undefined
  do {
    const page = await listProjects(person, { limit: 2, cursor })
    paged.push(...page.items.map(({ id }) => id))
    cursor = page.nextCursor ?? undefined
  } while (cursor)
  const ordered = made.toSorted((a, b) => a.position - b.position || (a.id < b.id ? -1 : 1))
  expect(paged).toEqual(ordered.map(({ id }) => id))
  expect((await listProjects(person, { limit: 9, archived: true })).items.map(({ name }) => name)).toEqual(['p2'])
  expect((await listProjects(person, { limit: 9, archived: false })).items).toHaveLength(4)
  await expect(listProjects(person, { limit: 9, cursor: 'rubbish' })).rejects.toMatchObject({ code: 'invalid_cursor' })
})

test('a project that is deleted leaves its tasks, told of as changed', async () => {
  const person = await makePerson()
  const project = await createProject(person, { name: 'a' })
  const task = await createTask(person, { title: 'x', projectId: project.id })
  const other = await createTask(person, { title: 'y' })
  person.meter.trips = 0
  expect(await deleteProject(person, project.id)).toEqual(project)
  expect(person.meter.trips).toBe(1)
  await expect(getProject(person, project.id)).rejects.toMatchObject({ code: 'not_found' })
  expect(await getTask(person, task.id)).toMatchObject({ projectId: null, version: 2 })
  expect(await getTask(person, other.id)).toEqual(other)
  expect(await typesOf(person, task.id)).toEqual(['task.created', 'task.updated'])
  expect(await typesOf(person, project.id)).toEqual(['project.created', 'project.deleted'])
  await expect(deleteProject(person, project.id)).rejects.toMatchObject({ code: 'not_found' })
})
