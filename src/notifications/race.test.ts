import { expect, test } from 'vitest'
import { personOnServer } from '#test/server'
import { listNotifications } from './notification.ts'
import { notify } from './notify.ts'

const ROUNDS = 10
const AT_ONCE = 8

test('of those of one collapse key that are told at once, one is left', async () => {
  const server = await personOnServer()
  if (!server) return
  try {
    const { person } = server
    for (let round = 0; round < ROUNDS; round++) {
      const told = (n: number) =>
        notify(person, { kind: 'run', title: 'x', dedupeKey: `${round} ${n}`, collapseKey: `round ${round}` })
      await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => told(n)))
    }
    const { items } = await listNotifications(person, { limit: 100 })
    expect(items.map(({ collapseKey }) => collapseKey).toSorted()).toEqual(
      Array.from({ length: ROUNDS }, (_, round) => `round ${round}`),
    )
  } finally {
    await server.close()
  }
})
