export { type Config, readConfig, SETTING_NAMES } from './config.ts'
