export {
  dueDeletions,
  factsForPrompt,
  getDeletion,
  getMe,
  getPreferences,
  insertUser,
  requirePerson,
  setDeletion,
  setPreferences,
  userByEmail,
} from './me.ts'
export { usersApp } from './routes.ts'
export { email, locale, Me, PreferencesPatch } from './schema.ts'
