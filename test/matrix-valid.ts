import { kindOf } from './matrix-objects.ts'
import { type Request, requestFor } from './matrix-requests.ts'
import { fillPath, type Operation } from './openapi-document.ts'
import { makeId, PASSWORD, type Person, type World } from './world.ts'

/** A request this operation takes, on an object of this person's own where it names one, as far as schemas tell. */
export async function ownRequest(world: World, operation: Operation, owner: Person): Promise<Request> {
  const kind = kindOf(operation.path)
  // The operator's paths name people.
  if (!kind) return requestFor(world.document, operation, { usr: owner.userId })
  const id = await kind.make(world, owner, 'mine')
  await kind.before?.[operation.operationId]?.(world, owner, id)
  return requestFor(world.document, operation, { [kind.prefix]: id })
}

type Wanted = Partial<Request['options']> & { search?: string; id?: string }

/** The bodies and queries that no schema can tell. */
const WANTED: Record<string, (world: World, owner: Person) => Promise<Wanted>> = {
  register: async () => ({ body: { email: `p${makeId('usr')}@example.com`, password: PASSWORD, displayName: 'Sam' } }),
  login: async (world) => ({ body: { email: (await world.person()).email, password: PASSWORD } }),
  refresh: async (_, { refreshToken }) => ({ body: { refreshToken } }),
  setPersonPlan: async (_, { userId }) => ({ id: userId, body: { plan: 'free' } }),
  setSignaturePolicy: async () => ({ body: { demand: false } }),
  connectRealtime: async (_, owner) => {
    const { ticket } = JSON.parse((await owner.api('POST', '/v1/realtime/ticket')).text)
    return { search: `?ticket=${ticket}` }
  },
}

/** The same, with what only the verb behind it knows to ask for. */
export async function validRequest(world: World, operation: Operation, owner: Person): Promise<Request> {
  const wanted = await WANTED[operation.operationId]?.(world, owner)
  if (!wanted) return await ownRequest(world, operation, owner)
  const { search = '', id = '', ...options } = wanted
  return { method: operation.method, path: fillPath(operation.path, { id }) + search, options }
}
