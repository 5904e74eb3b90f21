// What drizzle takes of Neon's driver where it is given a client (src/database/neon.ts): a table of types to switch off.
export const types = { builtins: {}, setTypeParser: () => undefined }
export const neon = undefined
