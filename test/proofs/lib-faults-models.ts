import type { Operation } from '../openapi-document.ts'
import type { Person, World } from '../world.ts'
import { ANSWER_WITHIN_MS, ask, HUNG, note, onePerson, prepare, type Scene, tokenOf } from './lib-faults.ts'
import { FAULTS, type Fault, type Faulty } from './lib-faulty.ts'

const TO_OPEN = 12
/** What is done by rules where no model answers. */
const WITHOUT = new Set(['POST /v1/workflows/draft'])
/** How long the breaker of what fails is open here. */
export const OPEN_MS = 1500

/** What is asked of a model server, by each way there is. */
export async function tryModels(scene: Scene, models: Faulty, share: number): Promise<void> {
  const { served, violations } = scene
  const dependents = await dependentsOf(scene, models, share)
  if (dependents.length === 0) violations.push('nobody asks the models')
  for (const { id } of dependents) note(scene, `${models.name}, asked by`, id)
  for (const fault of FAULTS) {
    await models.break(fault)
    for (const operation of dependents) {
      const [one] = await prepare(scene, [operation])
      if (!one) continue
      const answer = await ask(scene, one.request, tokenOf(served, one))
      note(scene, `${models.name}, ${fault}`, answer)
      scene.cases++
      if (answer === HUNG) violations.push(`models ${fault}: ${operation.id} gave no answer`)
      else if (answer.status === 500 || (WITHOUT.has(operation.id) && answer.status !== 200))
        violations.push(`models ${fault}: ${operation.id} answered ${answer.status}`)
    }
    await tryBreaker(scene, models, fault)
  }
}

/** Those that were seen to ask the upstream while it was well. */
async function dependentsOf(scene: Scene, upstream: Faulty, share: number): Promise<Operation[]> {
  const { served } = scene
  const found: Operation[] = []
  for (const operation of served.operations) {
    if (share < 1 && !/messages|draft/.test(operation.path)) continue
    const [one] = await prepare(scene, [operation])
    if (!one) continue
    const before = upstream.asked()
    await ask(scene, one.request, tokenOf(served, one))
    if (upstream.asked() > before) found.push(operation)
  }
  return found
}

const SAID = { model: 'embedder', input: 'what is this like' }
const EMBEDDINGS = '/compat/openai/v1/embeddings'
const MESSAGES = [{ role: 'user', content: 'Hello' }]
function recording(): FormData {
  const form = new FormData()
  form.set('model', 'hearer')
  form.set('file', new File([new Uint8Array(2000)], 'said.wav', { type: 'audio/wav' }))
  return form
}
/** They speak protocols of others, and are not in our document. */
const COMPATIBLE: [string, object][] = [
  ['/compat/openai/v1/chat/completions', { model: 'proof', messages: MESSAGES }],
  ['/compat/openai/v1/responses', { model: 'proof', input: 'Hello' }],
  ['/compat/openai/v1/audio/transcriptions', recording()],
  ['/compat/anthropic/v1/messages', { model: 'proof', max_tokens: 50, messages: MESSAGES }],
  [EMBEDDINGS, SAID],
]

/** The status; 0: none in time. */
async function askCompatible(served: World, { accessToken }: Person, path: string, body: object): Promise<number> {
  const isForm = body instanceof FormData
  const headers = { authorization: `Bearer ${accessToken}`, ...(!isForm && { 'content-type': 'application/json' }) }
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS)
  const init = { method: 'POST', headers, body: isForm ? body : JSON.stringify(body), signal }
  try {
    const answer = await fetch(served.url + path, init)
    await answer.text()
    return answer.status
  } catch {
    return 0
  }
}

/** After some failures nobody asks it any more for a while; mended, it is asked again. */
async function tryBreaker(scene: Scene, models: Faulty, fault: Fault): Promise<void> {
  const { served, violations } = scene
  const owner = await onePerson(served)
  for (const [path, body] of COMPATIBLE) {
    const status = await askCompatible(served, owner, path, body)
    note(scene, `${models.name}, ${fault}`, status)
    scene.cases++
    const isRight = fault === 'slow' ? status === 200 : status > 300 && status !== 500
    if (!isRight) violations.push(`models ${fault}: ${path} answered ${status || HUNG}`)
  }
  if (fault === 'slow') return await models.mend()
  const embed = async (n: number) =>
    await askCompatible(served, owner, EMBEDDINGS, { ...SAID, input: `${SAID.input} ${fault} ${n}` })
  let spared = false
  for (let n = 0; n < TO_OPEN && !spared; n++) {
    const before = models.asked()
    const status = await embed(n)
    if (status < 400) violations.push(`models ${fault}: embeddings answered ${status}`)
    // Nobody hears who knocks at what is down: there the answer says it.
    spared = fault === 'down' ? status === 503 : models.asked() === before
  }
  if (!spared) violations.push(`models ${fault}: they are asked on and on`)
  await models.mend()
  const deadline = Date.now() + ANSWER_WITHIN_MS
  let status = 0
  for (let n = TO_OPEN; status !== 200 && Date.now() < deadline; n++) {
    await new Promise((resolve) => setTimeout(resolve, OPEN_MS / 3))
    status = await embed(n)
  }
  if (status !== 200) violations.push(`models ${fault}: mended, they are not asked again (${status})`)
  scene.cases += 2
}
