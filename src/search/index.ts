export { countVectors, eraseVectors, type SearchCtx, sweepErased, vectorHealth, vectorStore } from './store.ts'
export type { VectorStore } from './vectors.ts'
