export {
  factsForPrompt,
  getMe,
  getPreferences,
  insertUser,
  meDeleted,
  requirePerson,
  setPreferences,
  userByEmail,
  userById,
} from './me.ts'
export { email, locale, Me, PreferencesPatch } from './schema.ts'
