import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { CONFIRM_PAGE } from './confirm-page.ts'

type Element = { textContent: string; hidden: boolean }

/** Runs the page's own script as a browser would at this fragment; `press` answers its request with `status`. */
function openPage(hash: string) {
  const script = /<script>(.*)<\/script>/s.exec(CONFIRM_PAGE)?.[1] ?? ''
  const elements = new Map<string, Element>()
  const asked: string[] = []
  const listeners: ((event: object) => Promise<void>)[] = []
  let answer = new Response(null)
  const at = (id: string): Element => {
    const made = elements.get(id) ?? { textContent: '', hidden: id === 'form' || id === 'label' }
    elements.set(id, made)
    return Object.assign(made, {
      addEventListener: (_: string, heard: (typeof listeners)[number]) => listeners.push(heard),
    })
  }
  runInNewContext(script, {
    location: { hash, pathname: '/v1/auth/confirm' },
    history: { replaceState: () => undefined },
    document: { getElementById: at },
    fetch: async (path: string) => {
      asked.push(path)
      return answer
    },
  })
  const press = async (status: number, body: object) => {
    answer = new Response(JSON.stringify(body), { status })
    for (const heard of listeners) await heard({ preventDefault: () => undefined })
  }
  return { at, asked, press }
}

test('a link that signs in says so, and that it did not where a second factor is needed', async () => {
  const page = openPage('#link=ac_1')
  await page.press(200, { user: 'Sam' })
  expect(page.asked).toEqual(['/v1/auth/magic-link/confirm'])
  expect(page.at('said').textContent).toMatch(/^Signed in/)
  expect(page.at('answer').textContent).toBe('{"user":"Sam"}')
  const second = openPage('#link=ac_1')
  await second.press(202, { challenge: 'ch_1' })
  expect(second.at('said').textContent).toMatch(/^You are not signed in: a second factor is needed. Sign in in the app/)
  expect(second.at('answer').textContent).toBe('')
})

test('a link that moves an address only shows its code: a click of whoever was mailed it asks for nothing', async () => {
  const page = openPage('#email=ac_1')
  expect(page.at('form').hidden).toBe(true)
  expect(page.at('answer').textContent).toBe('ac_1')
  expect(page.at('said').textContent).toMatch(/^Only if you asked .* app you are signed in with/)
  expect(openPage('#verify=ac_1').at('form').hidden).toBe(false)
})
