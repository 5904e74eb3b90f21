import { scopesOf, toolsWithin } from '#auth'
import { canonical, type UserCtx } from '#core'
import { carryOut, outcomeOf } from './act.ts'
import { claim } from './claim.ts'
import { armHold } from './hold.ts'
import { type EffectKind, effectKind } from './kinds.ts'
import { type Effects, MAX_SAYS, type NewEffect, type Outcome } from './port.ts'

/** Does what it is given, once for each key. Three trips: the claim with the state before, the act, the record. */
export function realEffects(ctx: UserCtx): Effects {
  return { perform: (effect) => perform(ctx, effect) }
}

async function perform(ctx: UserCtx, given: NewEffect): Promise<Outcome> {
  const admitted = admit(ctx, given)
  if ('status' in admitted) return admitted
  const { kind, effect } = admitted
  const { row, isOurs } = await claim(ctx, effect, kind)
  if (row.kind !== effect.kind || canonical(row.input) !== canonical(effect.input))
    return refusal('idempotency_mismatch', 'This key was used for another act', row.id)
  if (row.status === 'held') armHold(ctx, row)
  return isOurs ? await carryOut(ctx, row, kind) : outcomeOf(row)
}

type Admitted = { kind: EffectKind; effect: NewEffect }

/** What can be none of this person's effects is refused; else the kind, and the input as it reads it. */
export function admit({ actor }: Pick<UserCtx, 'actor'>, effect: NewEffect): Admitted | Outcome {
  const kind = effectKind(effect.kind)
  if (!kind) return refusal('not_found', `There is no kind of effect ${effect.kind}`)
  const read = kind.tool.input.safeParse(effect.input)
  if (!read.success) {
    const said = read.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
    return refusal('invalid_request', `${effect.kind}: ${said}`)
  }
  if (toolsWithin(scopesOf(actor), [kind.tool]).length === 0)
    return refusal('forbidden', `This key may not ${effect.kind}`)
  // As it is kept: what JSON drops is not compared.
  return { kind, effect: { ...effect, input: JSON.parse(JSON.stringify(read.data)) } }
}

export function refusal(code: string, detail: string, effectId: string | null = null): Outcome {
  const said = detail.slice(0, MAX_SAYS).toWellFormed()
  return { status: 'refused', effectId, code, detail: said, isRetryable: false }
}
