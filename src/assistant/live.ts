import type { TurnRequest } from './open.ts'
import { Part } from './schema.ts'

/** A turn as the person's session object knows it, whatever becomes of the machine it runs on. */
export type TurnRow = {
  turnId: string
  userId: string
  conversationId: string
  answerId: string
  state: 'running' | 'ended'
  startedOffset: number
}

/** To be listed among the migrations of the object that runs turns. */
export const TURN_MIGRATIONS = [
  {
    name: 'turns',
    sql: `create table turns (
      turn_id text primary key, conversation_id text not null, answer_id text not null, session_id text,
      state text not null, started_offset integer not null, at_ms integer not null) without rowid`,
  },
  // An object that an alarm woke need not know its own name.
  { name: 'turns_user', sql: "alter table turns add column user_id text not null default ''" },
]

const KEPT_MS = 86_400_000

type Row = {
  turn_id: string
  user_id: string
  conversation_id: string
  answer_id: string
  state: TurnRow['state']
  started_offset: number
}
const toTurn = (row: Row): TurnRow => ({
  turnId: row.turn_id,
  userId: row.user_id,
  conversationId: row.conversation_id,
  answerId: row.answer_id,
  state: row.state,
  startedOffset: row.started_offset,
})

export function findTurn(sql: SqlStorage, turnId: string): TurnRow | undefined {
  return sql.exec<Row>('select * from turns where turn_id = ?', turnId).toArray().map(toTurn)[0]
}

export function runningTurns(sql: SqlStorage): TurnRow[] {
  return sql.exec<Row>("select * from turns where state = 'running'").toArray().map(toTurn)
}

export function beginTurn(
  sql: SqlStorage,
  request: TurnRequest,
  by: { userId: string; sessionId: string | null },
  offset: number,
  nowMs: number,
): void {
  sql.exec('delete from turns where at_ms < ?', nowMs - KEPT_MS)
  sql.exec(
    `insert into turns (turn_id, user_id, conversation_id, answer_id, session_id, state, started_offset, at_ms)
     values (?, ?, ?, ?, ?, 'running', ?, ?)`,
    request.turnId,
    by.userId,
    request.conversationId,
    request.answerId,
    by.sessionId,
    offset,
    nowMs,
  )
}

export function dropTurn(sql: SqlStorage, turnId: string): void {
  sql.exec('delete from turns where turn_id = ?', turnId)
}

export function endTurn(sql: SqlStorage, turnId: string): void {
  sql.exec("update turns set state = 'ended' where turn_id = ?", turnId)
}

type Told = { event: string; data: unknown }

/** What an answer held when its machine went away, read back from the events it had told. */
export function partsFromEvents(events: Told[], messageId: string): Part[] {
  const parts: Part[] = []
  const undos = new Map<unknown, unknown>()
  for (const { event, data } of events) {
    if (typeof data !== 'object' || data === null || !('messageId' in data) || data.messageId !== messageId) continue
    const fields: Record<string, unknown> = { ...data }
    const last = parts.at(-1)
    if (event === 'message.delta' && typeof fields.text === 'string') {
      if (last?.type === 'text') last.text += fields.text
      else parts.push({ type: 'text', text: fields.text })
    } else if (event === 'tool.called' || event === 'tool.finished') {
      const { callId, name, input, output, isError } = fields
      const part =
        event === 'tool.called'
          ? { type: 'tool_call', id: callId, name, input }
          : { type: 'tool_result', callId, name, output, isError }
      const parsed = Part().safeParse(part)
      if (parsed.success) parts.push(parsed.data)
    } else if (event === 'tool.undoable') undos.set(fields.callId, fields.undo)
  }
  return parts.map((part) => withUndo(part, undos))
}

function withUndo(part: Part, undos: Map<unknown, unknown>): Part {
  if (part.type !== 'tool_result') return part
  const parsed = Part().safeParse({ ...part, undo: undos.get(part.callId) })
  return parsed.success ? parsed.data : part
}
