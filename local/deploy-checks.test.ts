import { expect, test } from 'vitest'
import { readConfig } from '#config'
import * as check from './deploy-checks.ts'

const session = { type: 'durable_object_namespace', class_name: 'UserSession' }
const events = { type: 'queue', queue_name: 'events' }
const text = (value: string) => ({ type: 'plain_text', value })
const created: check.ClassMigration = { tag: 'v1', new_sqlite_classes: ['UserSession'] }

test('the generated Env gives the names that are there in every environment', () => {
  const env =
    'interface __BaseEnv_Env {\n\tEVENTS: Queue;\n\tPUBLIC_URL?: "https://a.test";\n\tUSER_SESSION: X<import("a").B>;\n}\n'
  expect(check.neededBindings(env)).toEqual(['EVENTS', 'USER_SESSION'])
  expect(() => check.neededBindings('interface Env {}')).toThrow('run wrangler types')
})

test('a binding that production lacks or declares as another kind is a problem', () => {
  const problems = check.bindingProblems(
    { EVENTS: events, S: session },
    { S: text('no') },
    ['EVENTS', 'KV', 'KEY'],
    ['KEY'],
  )
  expect(problems).toEqual([
    'EVENTS is used by the code but not declared for production',
    'S is a durable_object_namespace locally but a plain_text in production',
    'KV is used by the code but not declared for production',
  ])
  expect(check.bindingProblems({ S: session }, { S: session, AI: { type: 'ai' } }, ['S'], [])).toEqual([])
})

const SECRETS = ['DATABASE_URL', 'JWT_KEYS', 'REFRESH_KEY', 'PASSWORD_PEPPER', 'ENCRYPTION_KEYS']
const vars = { ENVIRONMENT: text('production'), PUBLIC_URL: text('https://aurelius.test') }

test('settings are judged by the code that reads them', () => {
  expect(check.settingProblems(vars, SECRETS, readConfig)).toEqual([])
  expect(check.settingProblems(vars, SECRETS.slice(1), readConfig)).toEqual([expect.stringContaining('DATABASE_URL')])
})

test('a raised rate limit, another environment and a secret among the vars are problems', () => {
  const wrong = { ...vars, RATE_LIMIT_FACTOR: text('10'), REFRESH_KEY: text('x'.repeat(40)) }
  expect(check.settingProblems(wrong, SECRETS, readConfig)).toEqual([
    'REFRESH_KEY is a secret: it must not be a var',
    'RATE_LIMIT_FACTOR: must be 1 in production',
  ])
  const staging = { ...vars, ENVIRONMENT: text('local') }
  expect(check.settingProblems(staging, SECRETS, readConfig)).toContain('ENVIRONMENT must be "production"')
})

test('a placeholder address is refused', () => {
  expect(check.placeholderProblems(vars)).toEqual([])
  expect(check.placeholderProblems({ PUBLIC_URL: text('https://aurelius.example.com') })).toHaveLength(1)
})

test('every Durable Object class is created once, in SQLite', () => {
  expect(check.classProblems({ S: session }, [created])).toEqual([])
  expect(check.classProblems({ S: session }, [])).toEqual(['no migration creates class UserSession'])
  expect(check.classProblems({}, [created, { ...created, tag: 'v2' }])).toEqual([
    'migration v2: class UserSession exists already',
  ])
  expect(check.classProblems({}, [{ tag: 'v1', new_classes: ['A'] }])).toEqual([
    'migration v1: new_classes has no SQLite storage',
  ])
  expect(check.classProblems({}, [{ tag: 'v1', deleted_classes: ['A'] }])).toEqual([
    'migration v1: no class A to delete',
  ])
  const renamed = [created, { tag: 'v2', renamed_classes: [{ from: 'UserSession', to: 'Room' }] }]
  expect(check.classProblems({ S: { ...session, class_name: 'Room' } }, renamed)).toEqual([])
})

test('released class migrations may be added to, never edited', () => {
  const next = { tag: 'v2', new_sqlite_classes: ['Steward'] }
  expect(check.tagProblems([created], [created, next], '1.0.0')).toEqual([])
  expect(check.tagProblems([created], [{ ...created, new_sqlite_classes: ['Other'] }], '1.0.0')).toEqual([
    'migration v1 of 1.0.0 was changed or removed',
  ])
  expect(check.tagProblems([created, next], [created], '1.0.0')).toHaveLength(1)
})

test('a queue without a dead-letter queue, and a dead-letter queue without a reader, are problems', () => {
  const whole = [{ queue: 'events', dead_letter_queue: 'dead' }, { queue: 'dead' }]
  expect(check.queueProblems({ EVENTS: events }, whole)).toEqual([])
  expect(check.queueProblems({ EVENTS: events }, [{ queue: 'events' }])).toEqual([
    'queue events has no dead_letter_queue',
  ])
  expect(check.queueProblems({ EVENTS: events }, [])).toEqual(['nothing consumes queue events'])
  expect(check.queueProblems({}, whole.slice(0, 1))).toEqual(['nothing consumes queue dead'])
})

test('a missing secret and a large bundle are problems', () => {
  expect(check.secretProblems(['A', 'B'], ['B'])).toEqual([expect.stringContaining('secret A is not set')])
  expect(check.sizeProblems(check.MAX_BUNDLE_GZIP_BYTES - 1)).toEqual([])
  expect(check.sizeProblems(check.MAX_BUNDLE_GZIP_BYTES)).toHaveLength(1)
})

test('a letter beyond ASCII in what is uploaded is a problem, and shown', () => {
  expect(check.asciiProblems('index.js', 'const dash = "\\u2013"\n')).toEqual([])
  expect(check.asciiProblems('index.js', 'first line\nconst dash = /a\u2013b/')).toEqual([
    'index.js is not all ASCII: const dash = /a\u2013b/',
  ])
})

test('files and journal tell the same story', () => {
  const journal = [
    { tag: '0000_a', when: 1 },
    { tag: '0001_b', when: 2 },
  ]
  expect(check.journalProblems(journal, ['0000_a.sql', '0001_b.sql'])).toEqual([])
  expect(check.journalProblems(journal, ['0000_a.sql', '0002_c.sql'])).toHaveLength(2)
  expect(check.journalProblems(journal.toReversed(), ['0000_a.sql', '0001_b.sql'])).toEqual([
    'migration 0000_a is not newer than the one before it',
  ])
  expect(check.pending(journal, [1])).toEqual(['0001_b'])
})

test('a migration that waits for an extension blocks nothing where there is no such extension', () => {
  const migrations = [
    { tag: '0001_b', text: 'create table b ()' },
    { tag: '0002_c', text: '-- requires: vector\ncreate extension vector' },
  ]
  expect(check.applicable(migrations, ['citext'])).toEqual(['0001_b'])
  expect(check.applicable(migrations, ['citext', 'vector'])).toEqual(['0001_b', '0002_c'])
})

test('the listing shows everything at first, later only what differs', () => {
  expect(check.changes(null, { A: text('1') })).toEqual(['  A: plain_text "1"'])
  expect(
    check.changes({ A: text('1'), B: text('2'), C: text('3') }, { A: text('1'), B: text('9'), D: text('4') }),
  ).toEqual(['~ B: plain_text "2" → plain_text "9"', '- C: plain_text "3"', '+ D: plain_text "4"'])
})
