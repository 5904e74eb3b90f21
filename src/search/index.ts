export { type SearchCtx, vectorHealth, vectorStore, vectorSubscriber } from './store.ts'
export type { VectorStore } from './vectors.ts'
