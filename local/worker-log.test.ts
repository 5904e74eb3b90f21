import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openWorkerLog } from './worker-log.ts'

const timestamp = Date.parse('2026-11-23T10:00:00Z')

test('each line is JSON with its time, an error is also told in short, and a full file makes room', () => {
  const dir = mkdtempSync(join(tmpdir(), 'aurelius-log-'))
  const told: string[] = []
  const log = openWorkerLog(dir, (line) => told.push(line), 100)
  log.write({
    level: 'log',
    timestamp,
    message: '{"level":"error","event":"turn.failed","requestId":"req_1","error":"Error: no"}',
  })
  log.write({ level: 'warn', timestamp, message: 'the runtime speaks' })
  log.close()
  log.write({ level: 'warn', timestamp, message: 'too late' })
  expect(told).toEqual(['turn.failed · Error: no · req_1'])
  const read = (name: string) => JSON.parse(readFileSync(join(dir, name), 'utf8'))
  expect(read('worker.log.1')).toMatchObject({
    at: '2026-11-23T10:00:00.000Z',
    event: 'turn.failed',
    requestId: 'req_1',
  })
  expect(read('worker.log')).toMatchObject({ level: 'warn', event: 'runtime', message: 'the runtime speaks' })
  rmSync(dir, { recursive: true })
})
