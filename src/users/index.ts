export {
  addressOf,
  factsForPrompt,
  getMe,
  getPreferences,
  insertUser,
  meDeleted,
  reachAddress,
  requirePerson,
  setPreferences,
  userByEmail,
  userById,
} from './me.ts'
export { email, locale, Me, PreferencesPatch } from './schema.ts'
