export { type SearchCtx, vectorHealth, vectorStore, vectorSubscriber } from './store.ts'
