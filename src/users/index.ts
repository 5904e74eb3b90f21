export {
  addressOf,
  changeAccount,
  factsForPrompt,
  getMe,
  getPreferences,
  insertUser,
  meDeleted,
  people,
  reachAddress,
  requirePerson,
  setPreferences,
  userByEmail,
  userById,
} from './me.ts'
export { email, locale, Me, PreferencesPatch } from './schema.ts'
