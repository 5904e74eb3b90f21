// All of zod but what nobody here calls and each isolate would read at its start.
export * from '../node_modules/zod/v4/classic/external.js'
// A name said here stands before the same one of a star.
export const [locales, core, fromJSONSchema, compile, withParser]: never[] = []
