import { type Change, derivedIds, type UserCtx } from '#core'
import { readOnly } from '#database'
import { needsTap } from './kinds.ts'
import { admit, refusal } from './perform.ts'
import { type Effects, REFUSAL } from './port.ts'

/** What would have been done. */
export type Recorded = {
  kind: string
  says: string
  changes: Change[]
  outward: boolean
  reversible: boolean
  undoWindowMs: number | null
}

/** The same port, which writes down what it would do: its own context is one whose database refuses to write. */
export function recordingEffects(ctx: UserCtx): Effects & { recorded: Recorded[] } {
  const reading = readOnly(ctx)
  const recorded: Recorded[] = []
  return {
    recorded,
    perform: async (given) => {
      const admitted = admit(ctx, given)
      if ('status' in admitted) return admitted
      const { kind, effect } = admitted
      const { outward, undoWindowMs } = kind
      if (needsTap(kind, effect)) return refusal(REFUSAL.code, REFUSAL.detail)
      // Each look at it draws its ids anew.
      const newId = (prefix: Parameters<UserCtx['newId']>[0]) =>
        derivedIds(`effects|recorded|${effect.key}`, ctx.now())(prefix)
      const { says, changes, undo } = await kind.prepare({ ...reading, newId }, effect.input)
      recorded.push({
        ...{ kind: effect.kind, says, changes, outward },
        reversible: undo !== null && undoWindowMs !== null,
        undoWindowMs: undo === null ? null : undoWindowMs,
      })
      const [first] = changes
      const output = { ...first?.before, ...first?.after, ...(first?.target && { id: first.target }) }
      const evidence = { id: null, provider: null }
      return { status: 'done', effectId: newId('eff'), says, output, evidence, heldUntil: null }
    },
  }
}
