import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { readTime } from '#ai'
import { cpuMs } from '#test/cpu'
import { promisesIn } from './promises.ts'

type Sayings = { promises: [string, string | null][]; others: string[] }
const sayings: { now: string; tuning: Sayings; holdout: Sayings } = JSON.parse(
  readFileSync(`${import.meta.dirname}/sayings.json`, 'utf8'),
)
const isPromise = (text: string) => promisesIn(text, 'chat').length > 0

/** What share of what was found is right, and what share of what is right was found. */
function measure({ promises, others }: Sayings) {
  const missed = promises.map(([text]) => text).filter((text) => !isPromise(text))
  const wrong = others.filter(isPromise)
  const found = promises.length - missed.length
  return { precision: found / (found + wrong.length), recall: found / promises.length, missed, wrong }
}

test('promises are told from what only sounds like them, also where nothing was tuned', async () => {
  const { tuning, holdout, now } = sayings
  expect(tuning.promises.length + holdout.promises.length).toBeGreaterThanOrEqual(80)
  expect(tuning.others.length + holdout.others.length).toBeGreaterThanOrEqual(120)
  for (const [name, set] of Object.entries({ tuning, holdout })) {
    const { precision, recall, missed, wrong } = measure(set)
    console.log(`commitments, ${name}: precision ${precision.toFixed(3)}, recall ${recall.toFixed(3)}`)
    expect({ missed, wrong: wrong.length }).toEqual({ missed: [], wrong: 0 })
    expect(precision * recall).toBe(1)
  }
  const dated = [...tuning.promises, ...holdout.promises]
  const misread: string[] = []
  for (const [text, due] of dated) {
    const [promised] = promisesIn(text, 'chat')
    const { moment } = await readTime(promised?.what ?? '', { now, timeZone: 'UTC' })
    if ((moment?.date ?? null) !== due) misread.push(`${text}: ${moment?.date ?? null}, not ${due}`)
  }
  console.log(`commitments, due: ${dated.length - misread.length} of ${dated.length} days read`, misread)
  expect(misread.length).toBeLessThanOrEqual(dated.length * 0.05)
})

test('the quote is the sentence, and where that says nothing alone, the one before with it', () => {
  const text = "Hi. The invoice is ready. I'll send it tomorrow. Thanks!"
  expect(promisesIn(text, 'chat')).toEqual([
    { quote: "The invoice is ready. I'll send it tomorrow.", what: 'Send it tomorrow' },
  ])
  expect(promisesIn("Lunch was good. I'll call Ana on Friday, but not before noon.", 'chat')).toEqual([
    { quote: "I'll call Ana on Friday, but not before noon.", what: 'Call Ana on Friday' },
  ])
})

test('"you" is somebody in a mail, and the assistant in a conversation', () => {
  const text = "I'll send you the signed contract on Friday"
  expect(promisesIn(text, 'chat')).toEqual([])
  expect(promisesIn(text, 'mail')).toMatchObject([{ what: 'Send you the signed contract on Friday' }])
})

test('what is quoted, code, or longer than a sentence promises nothing, and no more than three things are taken', () => {
  expect(promisesIn("```\nI'll send the report Friday\n```", 'chat')).toEqual([])
  expect(promisesIn("> I'll send the report Friday", 'mail')).toEqual([])
  expect(promisesIn(`I'll send the report ${'very '.repeat(100)}soon`, 'chat')).toEqual([])
  expect(promisesIn("I'll send the report Friday. ".repeat(9), 'chat')).toHaveLength(3)
  const long = promisesIn(`${'x '.repeat(190)}. I'll send it tomorrow`, 'chat')
  expect(long[0]?.quote.length).toBeLessThanOrEqual(500)
})

test('any text is read in time linear in its length', () => {
  const hostile = [
    'i promised my '.repeat(600),
    "i'll ".repeat(1600),
    'i told the my the my '.repeat(400),
    "'".repeat(8000),
    '"a'.repeat(4000),
    '`'.repeat(8000),
    'a.b.'.repeat(2000),
    `${' '.repeat(7000)}i'll send`,
    "i'll check if ".repeat(500),
  ]
  for (const text of hostile) {
    const started = cpuMs()
    promisesIn(text.repeat(20), 'chat')
    expect(cpuMs() - started).toBeLessThan(100)
  }
})
