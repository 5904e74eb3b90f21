export {
  addressOf,
  changeAccount,
  dueDeletions,
  factsForPrompt,
  getDeletion,
  getMe,
  getPreferences,
  insertUser,
  people,
  reachAddress,
  requirePerson,
  setDeletion,
  setPreferences,
  userByEmail,
  userById,
} from './me.ts'
export { email, locale, Me, PreferencesPatch } from './schema.ts'
