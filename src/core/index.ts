export * as cookies from './cookies.ts'
export { cronProblem, cronTimes } from './cron.ts'
export type { ActingKey, Actor, Client, Ctx, PersonActor, UserCtx } from './ctx.ts'
export { AppError, ERRORS, type ErrorCode, type FieldError, findAppError, type Limit, toProblem } from './errors.ts'
export { type DomainEvent, defineEvent, type EventKind } from './events.ts'
export { requireFresh } from './fresh.ts'
export {
  type AppEnv,
  answer,
  body,
  createApp,
  created,
  etag,
  type Guard,
  ifMatch,
  type LimitClass,
  looked,
  operatorRoute,
  personRoute,
  publicRoute,
  type RouteMeta,
  versioned,
} from './http.ts'
export { derivedId, derivedIds, newId, randomToken } from './id.ts'
export { createLog, describeError } from './log.ts'
export { bounded, canonical, holdsOthersWords, isRecord, wasCut } from './output.ts'
export { decodeCursor, encodeCursor, toPage } from './page.ts'
export { quietUntil } from './quiet-hours.ts'
export { fitsRule, nextOccurrence, occurrencesBetween, recurrenceProblem } from './recurrence.ts'
export * as s from './schema.ts'
export { sseData } from './sse.ts'
export { createTimer, wait, within, withTimeout } from './timeout.ts'
export {
  armOwn,
  armTimer,
  cancelTimer,
  countHeld,
  type DueTimer,
  fireDue,
  keepAlarm,
  type Migration,
  migrate,
  nextAlarmMs,
  TIMER_MIGRATIONS,
} from './timers.ts'
export {
  type Change,
  defineTool,
  type Fate,
  type Plan,
  type Tool,
  type ToolAnswer,
  type Undo,
} from './tool.ts'
export { type Clock, createClock, type Wall, wallMs } from './wall.ts'
