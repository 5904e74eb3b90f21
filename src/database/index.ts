export { connect, type Database, type DatabaseMeter } from './connect.ts'
export { databaseFailure, duplicateOf } from './failure.ts'
export { liveSession, ownedBy, ownerId } from './owner.ts'
export { type ColumnsOf, containing, iso, jsonObject } from './shape.ts'
