export { offlineProvider } from './provider.ts'
