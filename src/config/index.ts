export { type AiConfig, type Config, type DeclaredModel, readConfig, SETTING_NAMES } from './config.ts'
export type { MailConfig } from './mail.ts'
export type { PushConfig } from './push.ts'
export type { TranscriptionConfig } from './speech.ts'
