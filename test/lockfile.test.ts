import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const REGISTRY = 'https://registry.npmjs.org/'

type Locked = {
  version?: string
  resolved?: string
  integrity?: string
  link?: boolean
  name?: string
  optionalDependencies?: Record<string, string>
}
type Manifest = Record<'dependencies' | 'devDependencies', Record<string, string>>

const read = (file: string) => readFileSync(join(import.meta.dirname, '..', file), 'utf8')

test('every package is one of the default registry, with the digest of what was looked at, and none under the name of another', () => {
  const { packages }: { packages: Record<string, Locked> } = JSON.parse(read('package-lock.json'))
  const wrong = Object.entries(packages).flatMap(([path, { resolved, integrity, link, name }]) => {
    if (path === '') return []
    const isElsewhere = (resolved !== undefined && !resolved.startsWith(REGISTRY)) || link === true
    const isUnchecked = !/^sha512-[\w+/]{86}==$/.test(integrity ?? '')
    const isAnother = name !== undefined && !path.endsWith(`node_modules/${name}`)
    return isElsewhere || isUnchecked || isAnother ? [path] : []
  })
  expect(wrong).toEqual([])
  expect(Object.keys(packages).length).toBeGreaterThan(100)
})

test('what is asked for is an exact version, never a range, an address or an alias', () => {
  const { dependencies, devDependencies }: Manifest = JSON.parse(read('package.json'))
  const asked = Object.entries({ ...dependencies, ...devDependencies })
  expect(asked.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([])
})

test('what a package brings for another platform is locked too: npm ci works on Linux, macOS and Windows', () => {
  const { packages }: { packages: Record<string, Locked> } = JSON.parse(read('package-lock.json'))
  const names = new Set(Object.keys(packages).map((path) => path.slice(path.lastIndexOf('node_modules/') + 13)))
  const native = Object.values(packages).flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies))
  const platforms = native.filter((name) => /(?:^|[-/])(?:linux|darwin|win32|windows)(?:[-/]|$)/.test(name))
  expect(platforms.filter((name) => !names.has(name))).toEqual([])
  for (const system of [/linux/, /darwin/, /win32|windows/])
    expect(platforms.filter((name) => system.test(name)).length).toBeGreaterThan(3)
})
