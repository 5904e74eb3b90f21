import { accountReclaimed } from '#auth'
import type { Ctx, UserCtx } from '#core'
import { cancelEffects } from '#effects'
import { removeServers } from '#integrations'
import { removeDevices } from '#notifications'
import { forgetAutonomy } from '#proactivity'
import type { Subscriber } from '#queue'
import { onBehalfOf, pauseSchedules } from '#scheduler'
import { removeSigningKeys } from '#signatures'
import { endRunsOf, switchOff } from '#workflows'
import { callOffDeletion } from './erase.ts'

type Act = (ctx: UserCtx, until: Date) => Promise<void>

/** What becomes of what was there until somebody came in who need not be who left it, by the tables it is in. */
export const RECLAIMED: Readonly<Record<string, Act>> = {
  // First, that nothing begins any more.
  workflows: switchOff,
  schedules: pauseSchedules,
  users: callOffDeletion,
  autonomy_rules: forgetAutonomy,
  mcp_servers: removeServers,
  signing_keys: removeSigningKeys,
  devices: removeDevices,
  // Last, as they may take long: what is asked of the platform is asked again.
  workflow_runs: endRunsOf,
  effects: cancelEffects,
}

/** Takes from an account that has a known owner at last what lets others in, or sends out. */
export const reclaimSubscriber: Subscriber = {
  name: 'reclaimed',
  wants: (type) => type === accountReclaimed.type,
  async handle(ctx: Ctx, events) {
    for (const { userId, data } of events) {
      const until = new Date(accountReclaimed.data.parse(data).until)
      const failures: unknown[] = []
      // One that fails keeps none of the others from being done; it is asked again with all of them.
      for (const act of Object.values(RECLAIMED))
        await act(onBehalfOf(ctx, userId), until).catch((error: unknown) => failures.push(error))
      if (failures.length > 0) throw failures[0]
    }
  },
}
