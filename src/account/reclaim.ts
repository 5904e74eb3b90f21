import { accountReclaimed } from '#auth'
import type { Ctx, UserCtx } from '#core'
import { cancelEffects } from '#effects'
import { removeServers } from '#integrations'
import { removeDevices } from '#notifications'
import { forgetAutonomy } from '#proactivity'
import type { Subscriber } from '#queue'
import { onBehalfOf, pauseSchedules } from '#scheduler'
import { removeSigningKeys } from '#signatures'
import { switchOff } from '#workflows'

type Act = (ctx: UserCtx, until: Date) => Promise<void>

/** What becomes of what was there until somebody came in who need not be who left it, by the tables it is in. */
export const RECLAIMED: Readonly<Record<string, Act>> = {
  autonomy_rules: forgetAutonomy,
  mcp_servers: removeServers,
  signing_keys: removeSigningKeys,
  devices: removeDevices,
  effects: cancelEffects,
  schedules: pauseSchedules,
  // Last, as it may take long: what it asks of the platform is asked again.
  workflows: switchOff,
}

/** Takes from an account that has a known owner at last what lets others in, or sends out. */
export const reclaimSubscriber: Subscriber = {
  name: 'reclaimed',
  wants: (type) => type === accountReclaimed.type,
  async handle(ctx: Ctx, events) {
    for (const { userId, data } of events) {
      const until = new Date(accountReclaimed.data.parse(data).until)
      for (const act of Object.values(RECLAIMED)) await act(onBehalfOf(ctx, userId), until)
    }
  },
}
