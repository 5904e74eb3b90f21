import { canonical, derivedId, type UserCtx } from '#core'
import { readOnly } from '#database'
import { type EffectKind, getEffect } from '#effects'
import { propose, readSuggestion, TURN_APPROVAL } from '#proactivity'

const OPEN_MS = 86_400_000
const MAX_TITLE = 300
const MAX_BODY = 4000

/** An act as a kind of effect. */
type Wanted = { kind: EffectKind; input: unknown; messageId: string; conversationId: string }
type Answered = { output: object; isError: boolean }

const refused = (detail: string, suggestionId?: string): Answered => ({
  output: { code: 'confirmation_required', detail, ...(suggestionId && { suggestionId }) },
  isError: true,
})
const cut = (text: string, max: number) => text.slice(0, max).toWellFormed()

/**
 * Puts an act to which others' words may have led before the person, as a suggestion they tap; once they did, answers
 * what came of it. Nothing that is said in the conversation stands for the tap: a model would hear a yes where it was told to.
 */
export async function askTap(ctx: UserCtx, wanted: Wanted): Promise<Answered> {
  const { kind, messageId, conversationId } = wanted
  const input = JSON.parse(JSON.stringify(wanted.input))
  const act = derivedId('call', new Date(0), canonical([kind.tool.name, input]))
  const now = ctx.now()
  const { says, undo } = await kind.prepare(readOnly(ctx), input)
  const { outward, undoWindowMs } = kind
  const offer = { id: 'act', kind: kind.tool.name, input, says: cut(says, 500), outward }
  const { id } = await propose(ctx, {
    key: `tap:${conversationId}:${now.toISOString().slice(0, 10)}:${act}`,
    kind: TURN_APPROVAL,
    title: cut(says.replaceAll(/\s+/g, ' ').trim(), MAX_TITLE),
    body: cut(JSON.stringify(input), MAX_BODY),
    actions: [{ ...offer, reversible: undo !== null && undoWindowMs !== null }],
    alternatives: [],
    why: {
      ...{
        trigger: 'A conversation in which others\u2019 words were read',
        facts: [],
        score: {},
        rule: null,
        model: null,
      },
      ...{ costMicros: 0, decisionId: null },
    },
    confidence: 1,
    priority: 'urgent',
    expiresAt: new Date(now.getTime() + OPEN_MS).toISOString(),
    source: { kind: 'turn', messageId },
    tainted: true,
  })
  const { status, reason, effectIds, detail } = await readSuggestion(ctx, id)
  switch (status) {
    case 'proposed':
    case 'seen':
    case 'snoozed':
      return refused('It needs a tap of the user, not their word: tell them that it waits among their suggestions.', id)
    case 'withheld':
      return refused(`It needs a tap of the user, and was not put before them (${reason}): tell them.`)
    case 'approved':
    case 'running':
      return refused('They tapped, and it is being done: ask again in a moment.')
    case 'dismissed':
    case 'expired':
      return refused(`It was not agreed to: it is ${status}. Do not ask again.`)
    case 'done':
    case 'failed':
    case 'undone': {
      const [effectId] = effectIds
      if (effectId === undefined) return refused(detail ?? 'It did not work')
      const effect = await getEffect(ctx, effectId)
      const { says: said, output, error } = effect
      return { output: { status: effect.status, says: said, effectId, output, error }, isError: status === 'failed' }
    }
  }
}
