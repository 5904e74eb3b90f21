import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { testCtx } from '#test/database'
import { withEmbeddings } from '#test/embeddings'
import { isAlike } from './alike.ts'
import { MIN_COSINE } from './cache.ts'
import pairs from './cache-pairs.json' with { type: 'json' }
import { embed } from './embed.ts'

let local: Awaited<ReturnType<typeof withEmbeddings>>
beforeAll(async () => {
  local = await withEmbeddings(inject('vars'))
})
afterAll(() => local.stop())

async function vectorsOf(texts: string[]): Promise<Map<string, number[]>> {
  const actor = { kind: 'person', userId: 'usr_x', sessionId: null } as const
  const ctx = { ...testCtx(), actor, config: local.config }
  const answer = await embed(ctx, { texts, feature: 'cache' })
  if (!answer.ok) throw new Error('no embeddings')
  return new Map(texts.map((text, i) => [text, answer.vectors[i] ?? []]))
}
const cosine = (a: number[] = [], b: number[] = []) => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0)
const percent = (part: unknown[], whole: unknown[]) => `${((100 * part.length) / whole.length).toFixed(1)} %`

test('of 300 pairs no near-miss is taken for the same, in the half the threshold was chosen on and in the other', async () => {
  const all = [...pairs.same, ...pairs.different]
  expect([pairs.same.length, pairs.different.length]).toEqual([200, 100])
  const vectors = await vectorsOf([...new Set(all.flatMap(([a = '', b = '']) => [a, b]))])
  const isNear = ([a = '', b = '']: string[]) => cosine(vectors.get(a), vectors.get(b)) >= MIN_COSINE
  const isHit = (pair: string[]) => isNear(pair) && isAlike(pair[0] ?? '', pair[1] ?? '').ok
  for (const [name, rest] of [['chosen on', 0] as const, ['other', 1] as const]) {
    const [same, different] = [pairs.same, pairs.different].map((list) => list.filter((_, i) => i % 2 === rest))
    if (!same || !different) throw new Error('no pairs')
    const [hits, fooled] = [same.filter(isHit), different.filter(isHit)]
    console.log(
      `semantic cache, ${name} half: ${percent(hits, same)} of ${same.length} paraphrases hit, ` +
        `${fooled.length} of ${different.length} near-misses; by the cosine alone ` +
        `${percent(same.filter(isNear), same)} and ${different.filter(isNear).length}`,
    )
    expect(fooled).toEqual([])
    expect(hits.length / same.length).toBeGreaterThan(0.4)
    // The guard is not idle: without it the cosine would take nearly all of them.
    expect(different.filter(isNear).length).toBeGreaterThan(different.length / 2)
  }
}, 120_000)

const ALIKE = [
  ['What is inflation?', 'what does inflation mean'],
  ['How do I make pancakes?', 'Please show me how to make pancakes'],
  ["What's Spain's national dish?", 'What is the national dish of Spain?'],
  ['Recommend a name for a bakery', 'Could you suggest a name for a bakery?'],
  ['List 1,000 words', 'list 1000 words'],
  ['Who wrote \u201cDune\u201d?', 'Who wrote "Dune"?'],
  ['Was ist Inflation?', 'was ist Inflation?'],
]
const NOT_ALIKE = [
  ['What do cats like?', 'What are cats like?', 'other words'],
  ['What is the matter?', 'What is matter?', 'other words'],
  ['Give me a joke', 'What is a joke?', 'other words'],
  ['How do I say thank you?', 'How do I say please?', 'other words'],
  ['How should I vote?', 'How can I vote?', 'other words'],
  ['List hotels in Rome', 'Recommend hotels in Rome', 'other words'],
  ["Does Tom's dog bite?", 'Does dog bite Tom?', 'other words'],
  ['Explain the plan', 'What is the plan?', 'other words'],
  ['Dogs bite people', 'Do dogs bite people?', 'other words'],
  ['Who am I?', 'Who are you?', 'other words'],
  ['Is coffee bad for me?', 'Is coffee bad?', 'other words'],
  ['What is 2*(3+4)?', 'What is 2*3+4?', 'other words'],
  ['What is -5 + 3?', 'What is 5 + 3?', 'other words'],
  ['What is 5!?', 'What is 5?', 'other words'],
  ['What is .5 of it?', 'What is 5 of it?', 'other words'],
  ['How do I use C++?', 'How do I use C?', 'other words'],
  ['How do I polish furniture?', 'How do I Polish furniture?', 'another name'],
  ['Can you fix it for us?', 'Can you fix it for US?', 'another name'],
  ['How much is 5 mg?', 'How much is 5 Mg?', 'another name'],
  ['What does "don\'t" mean?', 'What does "do not" mean?', 'another text that is spoken of'],
  ["Rewrite: Let's eat, grandma", "Rewrite: Let's eat grandma", 'another text that is spoken of'],
  ['Fix this\nif x:\n  y()', 'Fix this\nif x:\n y()', 'another text that is spoken of'],
  ['Does Anna like Ben?', 'Does Ben like Anna?', 'the same words in another order'],
  ['Plan 3 days in Rome', 'Plan 4 days in Rome', 'another number'],
  ['Write to Ann on Monday', 'Write to Ann on Friday', 'another date'],
  ["I can't come to dinner", 'I can come to dinner', 'a negation'],
  ['Write to Ann about it', 'Write to Eve about it', 'another name'],
]

test('other words for the same request are alike, from either side', () => {
  for (const [a = '', b = ''] of ALIKE) {
    expect([a, b, isAlike(a, b)]).toEqual([a, b, { ok: true }])
    expect(isAlike(b, a)).toEqual({ ok: true })
  }
})

test('what looks the same and is not is told apart, with what differs', () => {
  for (const [a = '', b = '', reason] of NOT_ALIKE) {
    expect([a, b, isAlike(a, b)]).toEqual([a, b, { ok: false, reason }])
    expect(isAlike(b, a).ok).toBe(false)
  }
})

test('changing, dropping, doubling or swapping any one word of a request makes another one', () => {
  const ignorable = new Set(['a', 'an', 'the', 'is', 'are', 'of', 'please', 'me', 'some'])
  const wrong: string[][] = []
  for (const [text = ''] of pairs.same) {
    const words = text.replace(/[?:,']/g, '').split(' ')
    const whole = words.join(' ')
    for (const [i, word] of words.entries()) {
      if (i === 0 || ignorable.has(word.toLowerCase())) continue
      const next = words[i + 1]
      const changed = [
        words.with(i, 'zebra'),
        words.toSpliced(i, 0, 'zebra'),
        words.toSpliced(i, 0, word),
        words.toSpliced(i, 1),
        ...(next && !ignorable.has(next) && next !== word ? [words.with(i, next).with(i + 1, word)] : []),
      ]
      for (const one of changed) if (isAlike(whole, one.join(' ')).ok) wrong.push([whole, one.join(' ')])
    }
  }
  expect(wrong).toEqual([])
})
