import { confirmedApp } from '../matrix-factors.ts'
import { mailedCode } from '../matrix-valid.ts'
import type { World } from '../world.ts'
import { type Try, withBody } from './lib-tries.ts'

const NO_CODE = `ac_${'x'.repeat(43)}`

/** What only the verbs behind mailed codes refuse. */
export const OWN_CODES: Record<string, (world: World, asked: Try) => Promise<Try[]>> = {
  confirmRegistration: async (_, asked) => [
    withBody(asked, { ...Object(asked.request.options.body), password: 'not the right password' }),
  ],
  confirmEmail: async (_, asked) => [withBody(asked, { token: NO_CODE })],
  signInByLink: async (world, asked) => {
    // Of an address that nobody confirmed the link takes every factor.
    await world.query('update users set email_verified_at = now() where id = $1', [asked.owner.userId])
    await confirmedApp(asked.owner)
    return [
      withBody(asked, { token: NO_CODE }),
      withBody(asked, { token: await mailedCode(world, 'link', asked.owner) }),
    ]
  },
  changeEmail: async (world, asked) => {
    const [other] = await world.people(1)
    const token = await mailedCode(world, 'email', { ...asked.owner, email: other?.email ?? '' })
    return [withBody(asked, { token })]
  },
  requestEmailVerification: async (world, asked) => {
    await world.query('update users set email_verified_at = now() where id = $1', [asked.owner.userId])
    return [asked]
  },
  resetPassword: async (_, asked) => [withBody(asked, { ...Object(asked.request.options.body), token: NO_CODE })],
  refresh: async (_, asked) => [withBody(asked, { refreshToken: `rt_${'x'.repeat(43)}` })],
}
