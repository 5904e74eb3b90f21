export {
  factsForPrompt,
  getMe,
  getPreferences,
  insertUser,
  meDeleted,
  meUpdated,
  setPreferences,
  userByEmail,
} from './me.ts'
export { usersApp } from './routes.ts'
export { email, locale, Me, Preferences, PreferencesPatch } from './schema.ts'
