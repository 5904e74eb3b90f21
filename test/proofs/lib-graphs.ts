import type { Definition } from '#workflows'
import type { Fault } from '../run-platform.ts'
import { createLife } from '../run-world.ts'
import type { World } from '../world.ts'
import { sourceAt, withSource } from './sabotage.ts'

export type Engine = typeof import('#workflows')
type Life = Awaited<ReturnType<ReturnType<typeof createLife>['run']>>

/** The engine of this world's source, in this process. */
export async function withEngine<T>(world: World, work: (engine: Engine) => Promise<T>): Promise<T> {
  return await withSource(world.changes, async (dir) => {
    return await work(await sourceAt(dir).load<Engine>('workflows'))
  })
}

const task = (id: string, more: object = {}) => ({ id, do: 'create_task', input: { title: `T ${id}` }, ...more })
const hook = (id: string) => ({ id, do: 'call_webhook', input: { url: 'https://hooks.example/x' } })
const mail = (id: string) => ({ id, do: 'send_mail', input: { to: 'a@example.com', text: 'x' } })

/** One graph of each shape; `fails`: its last act is refused for good. */
const GRAPHS: Record<string, { actions: object[]; fails?: true }> = {
  'a row': { actions: [task('one'), task('two', { input: { title: '{{ steps.one.title }}' } }), task('three')] },
  'a row whose last fails': { actions: [task('one'), task('two'), task('three'), hook('last')], fails: true },
  'a branch and a wait': {
    actions: [
      task('one'),
      { id: 'pause', wait: { minutes: 30 } },
      // biome-ignore lint/suspicious/noThenProperty: the name of a definition's list
      { id: 'way', branch: [{ when: 'facts.n > 2', then: [task('many'), task('more')] }], else: [task('few')] },
    ],
  },
  'a for-each': {
    actions: [{ id: 'each', forEach: 'facts.items', as: 'one', max: 10, steps: [task('make')] }, task('sum')],
  },
  'a for-each whose end fails': {
    actions: [{ id: 'each', forEach: 'facts.items', as: 'one', max: 10, steps: [task('make')] }, hook('last')],
    fails: true,
  },
  'a question': {
    actions: [
      task('one'),
      { id: 'ask', ask: { question: 'Go on?' } },
      task('two', { when: 'steps.ask.answer == "yes"' }),
    ],
  },
  'mail that is held': { actions: [task('one'), mail('mail'), task('two')] },
  'what stays': {
    actions: [
      task('stays', { compensate: 'none' }),
      { id: 'tell', do: 'notify', input: { title: 'x' } },
      task('two'),
      hook('last'),
    ],
    fails: true,
  },
}
const SUGGESTION = { kind: 'idea', title: '{{ facts.n }} things', body: 'Do it?', expiresMinutes: 60 }

export type Case = { name: string; life: () => ReturnType<typeof createLife>; stays: Set<string> }

/** Every graph, asked about first and not. */
export function graphs(schema: Engine['Definition']): Case[] {
  const base = { triggers: [{ kind: 'manual' }], priority: 'routine', gather: [], analysis: null }
  return Object.entries(GRAPHS).flatMap(([name, { actions, fails }]) =>
    [false, true].map((isAsked) => {
      const definition: Definition = schema().parse({ ...base, suggestion: isAsked ? SUGGESTION : null, actions })
      return {
        name: `${name}${isAsked ? ', asked about' : ''}`,
        stays: new Set(['stays', 'tell']),
        life: () => {
          const life = createLife({ definition })
          life.facts = { n: 3, items: ['a', 'b', 'c'] }
          life.answers = { ask: 'yes' }
          if (!isAsked)
            life.levels = { create_task: 'act_silently', send_mail: 'act_silently', call_webhook: 'act_silently' }
          if (fails) {
            const refused = { code: 'unavailable', detail: 'gone for good', isRetryable: false }
            life.refusals = { call_webhook: { status: 'failed', effectId: null, ...refused } }
          }
          return life
        },
      }
    }),
  )
}

const idOf = (step: string) => step.split('.')[0] ?? step

/** What is wrong with how a run ended, whatever struck it. `clean` is what it does where nothing does. */
export function faultsOf(life: Life, clean: Life, { stays }: Case): string[] {
  const wrong: string[] = []
  if (!life.end) return ['it never ended']
  const { status, evidence, parked } = life.end
  const acts = life.log.filter((line) => line.startsWith('do ')).map((line) => line.slice(3))
  const undone = life.log.filter((line) => line.startsWith('undo ')).map((line) => line.slice(5))
  for (const step of new Set(acts))
    if (acts.filter((one) => one === step).length > 1) wrong.push(`${step} was done twice`)
  for (const step of new Set(undone))
    if (undone.filter((one) => one === step).length > 1) wrong.push(`${step} was taken back twice`)
  const standing = [...life.effects.values()].filter((one) => one.status === 'done' || one.status === 'held')
  if (status === 'done') {
    if (undone.length > 0) wrong.push('it is done, and took something back')
    if (JSON.stringify(acts) !== JSON.stringify(clean.log.map((line) => line.slice(3))))
      wrong.push(`it is done, and did ${acts}`)
    if (evidence.length !== acts.length || evidence.some(({ id }) => id === null))
      wrong.push('it is done without evidence')
    return wrong
  }
  if (status !== 'compensated' && status !== 'failed') wrong.push(`it ended as ${status}`)
  if (evidence.length > 0) wrong.push('it failed, and shows what it took back')
  for (const { step } of standing)
    if (!stays.has(idOf(step)) && !parked.some((one) => one.step === step)) wrong.push(`it failed, and ${step} stands`)
  if (parked.length > 0 && ![...life.notices.values()].some(({ isAlert }) => isAlert))
    wrong.push('what is left was told to nobody')
  const expected = acts.filter((step) => undone.includes(step)).reverse()
  if (JSON.stringify(undone) !== JSON.stringify(expected)) wrong.push(`it was taken back as ${undone}`)
  if (status === 'failed' && undone.length > 0 && parked.length === 0)
    wrong.push('all was taken back, and it is called failed')
  return wrong
}

export const said = ({ step, phase, fate }: Fault): string => `${fate} ${phase} ${step}`
