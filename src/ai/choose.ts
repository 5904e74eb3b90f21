import { AppError, type UserCtx } from '#core'
import type { Call, Decision } from './call.ts'
import { catalogueOf, findModel, type Model } from './catalogue.ts'

/** The models to try, the first one first. */
export type Choice = { decision: Decision; models: [Model, ...Model[]] }

/** Which model, and why. `unavailable` when none is there; `not_found` for a name the catalogue does not have. */
export function choose(ctx: Pick<UserCtx, 'config' | 'newId'>, call: Call): Choice {
  const named = call.model === undefined ? undefined : findModel(ctx.config, call.model)
  if (call.model !== undefined && !named) throw new AppError('not_found', `There is no model ${call.model}`)
  const model = named ?? catalogueOf(ctx.config)[0]
  if (!model) throw new AppError('unavailable', 'No model is configured')
  const decision: Decision = {
    id: ctx.newId('aic'),
    provider: model.provider,
    model: model.name,
    kind: call.kind,
    difficulty: 0,
    parts: {},
    reasons: [named ? 'asked for by name' : 'the first of the catalogue'],
    cache: 'off',
    cacheReason: '',
    experiment: null,
  }
  return { decision, models: [model] }
}
