export { type SearchCtx, sweepErased, vectorHealth, vectorStore, vectorSubscriber } from './store.ts'
export type { VectorStore } from './vectors.ts'
