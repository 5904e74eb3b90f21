export {
  changeAccount,
  factsForPrompt,
  getMe,
  getPreferences,
  insertUser,
  meDeleted,
  requirePerson,
  setPreferences,
  userByEmail,
} from './me.ts'
export { usersApp } from './routes.ts'
export { email, locale, Me, PreferencesPatch } from './schema.ts'
