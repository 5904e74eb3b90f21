// The kinds of column that our tables and drizzle's own dialect name: the others are never made.
export * from '../node_modules/drizzle-orm/pg-core/columns/bigint.js'
export * from '../node_modules/drizzle-orm/pg-core/columns/boolean.js'
export * from '../node_modules/drizzle-orm/pg-core/columns/common.js'
export * from '../node_modules/drizzle-orm/pg-core/columns/date.js'
export * from '../node_modules/drizzle-orm/pg-core/columns/double-precision.js'
export * from '../node_modules/drizzle-orm/pg-core/columns/integer.js'
export * from '../node_modules/drizzle-orm/pg-core/columns/json.js'
export * from '../node_modules/drizzle-orm/pg-core/columns/jsonb.js'
export * from '../node_modules/drizzle-orm/pg-core/columns/numeric.js'
export * from '../node_modules/drizzle-orm/pg-core/columns/text.js'
export * from '../node_modules/drizzle-orm/pg-core/columns/time.js'
export * from '../node_modules/drizzle-orm/pg-core/columns/timestamp.js'
export * from '../node_modules/drizzle-orm/pg-core/columns/uuid.js'
// Handed to a table given as a function: ours are given as objects.
export const getPgColumnBuilders = () => ({})
