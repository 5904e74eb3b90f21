/** A platform of Workflows that remembers which instances were begun, woken and ended. */
export function makePlatform() {
  const instances = new Map<string, { woken: string[]; terminated: boolean }>()
  const TASA_RUN = {
    create: async ({ id }: { id: string }) => {
      if (instances.has(id)) throw new Error('instance already exists')
      instances.set(id, { woken: [], terminated: false })
    },
    deleteBatch: async (ids: string[]) => {
      const gone = ids.filter((id) => instances.delete(id))
      const errors = ids
        .filter((id) => !gone.includes(id))
        .map((id) => ({ id, code: 10400, message: 'instance.not_found' }))
      return { deleted: gone.map((id) => ({ id })), errors }
    },
    get: async (id: string) => {
      const found = instances.get(id)
      if (!found) throw new Error('instance.not_found')
      return {
        status: async () => ({ status: 'running' }),
        terminate: async () => {
          found.terminated = true
        },
        sendEvent: async ({ type }: { type: string }) => void found.woken.push(type),
      }
    },
  }
  const EVENTS = { sendBatch: async () => undefined }
  return { instances, env: { TASA_RUN, EVENTS } as unknown as Env }
}
