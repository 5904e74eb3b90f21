import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type Example, playExample, verdict } from './corpus-run.ts'

const LEAST_RIGHT = 0.95

type Sentence = Omit<Example, 'tasks'> & { tasks?: string | NonNullable<Example['tasks']> }
type Corpus = { seeds: Record<string, NonNullable<Example['tasks']>>; sentences: Sentence[] }

const corpus: Corpus = JSON.parse(readFileSync(`${import.meta.dirname}/corpus.json`, 'utf8'))

function exampleOf({ tasks, ...rest }: Sentence): Example {
  if (tasks === undefined) return rest
  return { ...rest, tasks: typeof tasks === 'string' ? (corpus.seeds[tasks] ?? []) : tasks }
}

test('people are understood as they speak', async () => {
  const wrong: string[] = []
  for (const sentence of corpus.sentences) {
    const example = exampleOf(sentence)
    const { calls, reply } = await playExample(example)
    // The second time from what is known of it, which the first must not have changed.
    expect(await playExample(example)).toEqual({ calls, reply })
    const trouble = verdict(example, calls, reply)
    if (trouble) wrong.push(`${example.id} [${[...(example.before ?? []), example.say].join(' ⏎ ')}] ${trouble}`)
  }
  const all = corpus.sentences.length
  const right = all - wrong.length
  console.log(`offline corpus: ${all} sentences, ${right} right (${((100 * right) / all).toFixed(1)} %)`)
  for (const line of wrong) console.log(`  ${line}`)
  expect(all).toBeGreaterThanOrEqual(150)
  expect(right / all).toBeGreaterThanOrEqual(LEAST_RIGHT)
})

test('every sentence of the corpus has a name of its own', () => {
  expect(new Set(corpus.sentences.map(({ id }) => id)).size).toBe(corpus.sentences.length)
})
