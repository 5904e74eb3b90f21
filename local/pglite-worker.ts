// PGlite runs a statement synchronously and cannot be interrupted: on a thread of its own it can at least be ended.
import { parentPort, workerData } from 'node:worker_threads'
import { PGlite } from '@electric-sql/pglite'
import { btree_gin } from '@electric-sql/pglite/contrib/btree_gin'
import { citext } from '@electric-sql/pglite/contrib/citext'
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm'
import { unaccent } from '@electric-sql/pglite/contrib/unaccent'
import { vector } from '@electric-sql/pglite-pgvector'

export type ToWorker = Uint8Array<ArrayBuffer> | 'close'
export type FromWorker = Uint8Array<ArrayBuffer> | { ready: true } | { failed: string }

const port = parentPort
if (!port) throw new Error('this file is the entry of a worker thread')
const { cluster } = workerData as { cluster: string }

const post = (message: FromWorker) => port.postMessage(message, message instanceof Uint8Array ? [message.buffer] : [])

// An answer may be a view of PGlite's own buffer, which must stay here.
const owned = (bytes: Uint8Array) =>
  bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength
    ? new Uint8Array(bytes.buffer)
    : new Uint8Array(bytes)

// What Postgres says when it refuses to start goes to its standard error and nowhere else.
const said: string[] = []
const listen = (line: string) => {
  said.push(line)
  return false
}

try {
  const db = await PGlite.create(cluster, {
    extensions: { vector, pg_trgm, unaccent, citext, btree_gin },
    onStderr: listen,
  })
  port.on('message', async (message: ToWorker) => {
    if (message !== 'close') return post(owned(db.execProtocolRawSync(message)))
    await db.close()
    port.close()
  })
  post({ ready: true })
} catch (error) {
  const reason = said.filter((line) => /FATAL|PANIC|DETAIL|HINT/.test(line)).join('; ')
  post({ failed: reason || String(error) })
}
