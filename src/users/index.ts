export {
  addressOf,
  changeAccount,
  dueDeletions,
  factsForPrompt,
  getDeletion,
  getMe,
  getPreferences,
  hasAddress,
  holdPerson,
  insertUser,
  people,
  reachAddress,
  renewStamp,
  requirePerson,
  setDeletion,
  setPreferences,
  stampOf,
  userByEmail,
  userById,
} from './me.ts'
export { email, locale, Me } from './schema.ts'
export { personTools } from './tools.ts'
