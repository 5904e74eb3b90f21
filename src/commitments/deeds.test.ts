import { expect, test } from 'vitest'
import { cpuMs } from '#test/cpu'
import { deedsIn, findDone, findMailed } from './deeds.ts'

const open = [
  { id: 'report', what: 'Send the report to Ana', quote: "I'll send the report to Ana on Friday" },
  { id: 'plumber', what: 'Call the plumber', quote: "I'll call the plumber tomorrow" },
  { id: 'slides', what: 'Finish the slides', quote: "I'm going to finish the slides by Thursday" },
  { id: 'invoice', what: 'Send it', quote: "The invoice is ready. I'll send it tomorrow." },
  { id: 'rent', what: 'Pay the rent', quote: "I'll pay the rent on Monday" },
  { id: 'keys', what: "Drop off the keys at Linda's", quote: "I'll drop off the keys at Linda's at 6" },
  { id: 'ben', what: 'Reply to Ben about the budget', quote: "I'll reply to Ben about the budget" },
  { id: 'cake', what: "Order the cake for Lea's birthday", quote: "I will order the cake for Lea's birthday" },
]
const doneBy = (text: string) => deedsIn(text).flatMap((deed) => findDone(deed, open)?.id ?? [])

test.each([
  ['I sent the report', 'report'],
  ['I just sent Ana the report.', 'report'],
  ["I've emailed the report to Ana this morning", 'report'],
  ['The report has been sent.', 'report'],
  ['Called the plumber!', 'plumber'],
  ['Hi, I already phoned the plumber', 'plumber'],
  ["I'm done with the slides", 'slides'],
  ['The slides are done', 'slides'],
  ['finished the slides today', 'slides'],
  ['The slides are ready now.', 'slides'],
  ['I have sent the invoice', 'invoice'],
  ['The rent is paid', 'rent'],
  ['We paid the rent yesterday', 'rent'],
  ["I dropped the keys off at Linda's", 'keys'],
  ['Wrote Ben about the budget', 'ben'],
  ['I ordered the cake', 'cake'],
])('%s: that was %s', (text, id) => {
  expect(doneBy(text)).toEqual([id])
})

test.each([
  'I sent the report to Bob',
  'I sent Ana the photos',
  'I have not sent the report',
  "I haven't called the plumber",
  'I almost finished the slides',
  'Did I send the report?',
  'Has the report been sent?',
  'I will send the report',
  'If I sent the report',
  'Ana sent the report',
  'He called the plumber',
  'Ben said "I sent the report"',
  '> I sent the report',
  'The report is not done',
  'The report needs to be sent',
  'I should have paid the rent',
  'I read the report',
  'I paid the plumber',
  'The plumber is done',
  'I sent it',
  'Done',
  'I sent the report and the slides to Ben',
  'The keys were found',
])('%s: nothing is over by it', (text) => {
  expect(doneBy(text)).toEqual([])
})

test('where two fit, neither is over', () => {
  const twice = [...open, { id: 'again', what: 'Send the report to Ben', quote: "I'll send the report to Ben" }]
  const [deed] = deedsIn('I sent the report')
  expect(deed && findDone(deed, twice)).toBeNull()
  const [named] = deedsIn('I sent Ben the report')
  expect(named && findDone(named, twice)?.id).toBe('again')
})

test.each([
  [['ana.silva@example.com'], 'The report', 'report'],
  [['ana@example.com'], 'Re: quarterly report', 'report'],
  [['team@example.com'], 'Report for Ana', 'report'],
  [['ben@example.com'], 'Budget', 'ben'],
  [['ana@example.com'], 'Lunch?', null],
  [['bob@example.com'], 'The report', null],
  [['plumber@example.com'], 'Leaking tap', null],
  [['landlord@example.com'], 'The rent', null],
  [['ben@example.com'], 'Holidays', null],
])('mail to %s about %s: %s', (to, subject, id) => {
  expect(findMailed({ to, subject }, open)?.id ?? null).toBe(id)
})

test('a deed is read in time linear in its text', () => {
  for (const text of ['i have '.repeat(5000), 'the '.repeat(9000), 'is '.repeat(9000), 'the report is '.repeat(3000)]) {
    const started = cpuMs()
    deedsIn(text)
    expect(cpuMs() - started).toBeLessThan(100)
  }
})
