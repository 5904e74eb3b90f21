import { eq, sql } from 'drizzle-orm'
import { decodeProtectedHeader } from 'jose'
import { expect, test } from 'vitest'
import { claimKey, hashToken } from '#security'
import { makePerson, type Person, revoke, testCtx } from '#test/database'
import { getMe, setPreferences } from '#users'
import { users } from '#users/tables'
import { cancelDeletion, ERASURE_STEPS, eraseStep, getReceipt, scheduleDeletion, startErasures } from './erase.ts'
import { erasures } from './tables.ts'

const DAY_MS = 86_400_000

/** A world of objects and files that remember what was done to them. */
function makeWorld({ stuck }: { stuck?: string } = {}) {
  const done: string[] = []
  const held = new Map<string, number>()
  const objects = (kind: string) => ({
    getByName: (name: string) => ({
      erase: async () => {
        done.push(`${kind} ${name}`)
        if (kind !== stuck) held.set(`${kind} ${name}`, 0)
      },
      held: async () => held.get(`${kind} ${name}`) ?? 3,
    }),
  })
  const started: { id: string; params: { id: string } }[] = []
  const files = new Set<string>()
  const env = {
    EVENTS: { sendBatch: async () => {} },
    USER_SESSION: objects('session'),
    STEWARD: objects('steward'),
    FILES: {
      list: async ({ prefix }: { prefix: string }) => ({
        objects: [...files].filter((key) => key.startsWith(prefix)).map((key) => ({ key })),
        truncated: false,
      }),
      delete: async (keys: string[]) => {
        for (const key of keys) files.delete(key)
      },
    },
    ERASE_PERSON: { create: async (given: (typeof started)[number]) => void started.push(given) },
  } as unknown as Env
  return { env, done, files, started }
}

const person = async (env: Env) => {
  const made = await makePerson({ env })
  return made
}
const runSteps = async (ctx: Person, id: string) => {
  for (const step of ERASURE_STEPS) await eraseStep(ctx, id, step)
}
const dueNow = (ctx: Person) =>
  ctx.db.update(users).set({ deletionAt: sql`now() - interval '1 second'` }).where(eq(users.id, ctx.actor.userId))

test('asked for twice the first day stands, and it can be taken back', async () => {
  const ctx = await person(makeWorld().env)
  const asked = await scheduleDeletion(ctx)
  const dayMs = Date.parse(asked.deletionAt) - ctx.now().getTime()
  expect(Math.round(dayMs / DAY_MS)).toBe(14)
  expect(await scheduleDeletion(ctx)).toEqual(asked)
  expect(await getMe(ctx)).toMatchObject({ deletionAt: asked.deletionAt, version: 2 })
  expect(await cancelDeletion(ctx)).toMatchObject({ deletionAt: null, version: 3 })
  expect(await cancelDeletion(ctx)).toMatchObject({ deletionAt: null, version: 3 })
})

test('it takes a fresh sign-in and a session that lives', async () => {
  const ctx = await person(makeWorld().env)
  const stale = { ...ctx, actor: { ...ctx.actor, authAtMs: ctx.now().getTime() - 301_000 } }
  await expect(scheduleDeletion(stale)).rejects.toMatchObject({ code: 'step_up_required' })
  await revoke(ctx)
  await expect(scheduleDeletion(ctx)).rejects.toThrow()
  const [row] = await ctx.db.select({ at: users.deletionAt }).from(users).where(eq(users.id, ctx.actor.userId))
  expect(row).toEqual({ at: null })
})

test('nobody is erased before their day, and on it it can no longer be taken back', async () => {
  const world = makeWorld()
  const ctx = await person(world.env)
  const { receiptId } = await scheduleDeletion(ctx)
  await startErasures(ctx)
  const mine = () => world.started.filter(({ params }) => params.id === receiptId).map(({ id }) => id)
  expect(mine()).toEqual([])
  await dueNow(ctx)
  await startErasures(ctx)
  await startErasures(ctx)
  expect(mine()).toEqual([`${receiptId}-1`])
  await expect(cancelDeletion(ctx)).rejects.toMatchObject({ code: 'conflict' })
  // Whoever had it was killed.
  await ctx.db.update(erasures).set({ leaseUntil: sql`now()` }).where(eq(erasures.id, receiptId))
  await startErasures(ctx)
  expect(mine()).toEqual([`${receiptId}-1`, `${receiptId}-2`])
})

test('erased, a person is nowhere, and a receipt that names nobody says what each store held', async () => {
  const world = makeWorld()
  const [ctx, other] = [await person(world.env), await person(world.env)]
  const { userId } = ctx.actor
  for (const each of [ctx, other]) {
    await setPreferences(each, { locale: 'de-DE' })
    await claimKey(each, { principal: each.actor.userId, route: 'POST /v1/x', key: 'k', fingerprint: 'f' })
    world.files.add(`exports/${each.actor.userId}/exp_1/archive.zip`)
  }
  const { receiptId } = await scheduleDeletion(ctx)
  await dueNow(ctx)
  await startErasures(ctx)
  await runSteps(ctx, receiptId)
  await expect(getMe(ctx)).rejects.toThrow()
  const { rows } = await ctx.db.execute<{ name: string }>(
    sql`select table_name as name from information_schema.tables where table_schema = 'public'`,
  )
  for (const { name } of rows) {
    const found = await ctx.db.execute(sql`select 1 from ${sql.identifier(name)} t where t::text like ${`%${userId}%`}`)
    expect([name, found.rows]).toEqual([name, []])
  }
  expect([...world.files]).toEqual([`exports/${other.actor.userId}/exp_1/archive.zip`])
  expect(world.done).toEqual([`session ${userId}`, `steward ${userId}`])
  expect(await getMe(other)).toMatchObject({ id: other.actor.userId, preferences: { locale: 'de-DE' } })
  const { receipt } = await getReceipt(testCtx(), receiptId)
  expect(decodeProtectedHeader(receipt).typ).toBe('erasure-receipt+jwt')
  const claims = JSON.parse(Buffer.from(receipt.split('.')[1] ?? '', 'base64url').toString())
  expect(claims).toMatchObject({ jti: receiptId, subject_hash: await hashToken(userId) })
  expect(claims.stores).toMatchObject({ session: 3, steward: 3, files: 1, grants: 0 })
  expect(claims.stores.postgres).toBeGreaterThan(3)
  expect(JSON.stringify(claims)).not.toContain(userId)
})

test('a step may come again and again, after any failure, and what was there is counted once', async () => {
  const world = makeWorld()
  const ctx = await person(world.env)
  const { receiptId } = await scheduleDeletion(ctx)
  await dueNow(ctx)
  await startErasures(ctx)
  for (const step of ERASURE_STEPS) {
    await eraseStep(ctx, receiptId, step)
    await eraseStep(ctx, receiptId, step)
  }
  await runSteps(ctx, receiptId)
  const { receipt } = await getReceipt(ctx, receiptId)
  expect(JSON.parse(atob(receipt.split('.')[1] ?? '')).stores).toMatchObject({ session: 3, steward: 3 })
})

test('a store that is not empty afterwards fails its step and withholds the receipt', async () => {
  const world = makeWorld({ stuck: 'steward' })
  const ctx = await person(world.env)
  const { receiptId } = await scheduleDeletion(ctx)
  await dueNow(ctx)
  await startErasures(ctx)
  await expect(eraseStep(ctx, receiptId, 'steward')).rejects.toThrow('3 of a person')
  for (const step of ERASURE_STEPS.filter((name) => name !== 'steward' && name !== 'receipt'))
    await eraseStep(ctx, receiptId, step)
  await expect(eraseStep(ctx, receiptId, 'receipt')).rejects.toThrow('steward')
  await expect(getReceipt(ctx, receiptId)).rejects.toMatchObject({ code: 'not_found' })
})

test('what was written on the way goes with the last step', async () => {
  const world = makeWorld()
  const ctx = await person(world.env)
  const { receiptId } = await scheduleDeletion(ctx)
  await dueNow(ctx)
  await startErasures(ctx)
  for (const step of ERASURE_STEPS.slice(0, -1)) await eraseStep(ctx, receiptId, step)
  world.files.add(`exports/${ctx.actor.userId}/exp_1/part`)
  await ctx.db.execute(sql`insert into changed_sources (user_id, source) values (${ctx.actor.userId}, 'late')`)
  await eraseStep(ctx, receiptId, 'receipt')
  expect([...world.files]).toEqual([])
  const { rows } = await ctx.db.execute(sql`select 1 from changed_sources where user_id = ${ctx.actor.userId}`)
  expect(rows).toEqual([])
})
