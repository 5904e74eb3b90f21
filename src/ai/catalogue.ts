import type { Config, DeclaredModel } from '#config'
import { KINDS } from './call.ts'
import type { ProviderName } from './model.ts'
import { type Prices, price } from './prices.ts'

/**
 * One model that can be called. `tier` orders models by what they can do: 0 rules, 1 quick, 2 able, 3 the most able.
 * A dated name of it costs what it costs.
 */
export type Model = {
  name: string
  provider: ProviderName
  tier: 0 | 1 | 2 | 3
  contextTokens: number
  maxOutputTokens: number
  abilities: readonly Ability[]
  prices: Prices
}
/** `json`: an answer in JSON, or in a given schema of it. */
export type Ability = 'tools' | 'json'
const ALL: readonly Ability[] = ['tools', 'json']

const FROM = '2026-01-01'
const MILLION = 1_000_000
const claude = (name: string, tier: 1 | 2 | 3, prices: Prices, maxOutputTokens = 128_000): Model => ({
  name,
  provider: 'anthropic',
  tier,
  contextTokens: MILLION,
  maxOutputTokens,
  abilities: ALL,
  prices,
})

// Anthropic's price list, November 2026.
const CLAUDE: Model[] = [
  claude('claude-haiku-5-5', 1, [
    {
      ...price(FROM, 0.1, 0.5),
      longPrompt: { over: 100_000, input: 0.5 * MILLION, output: 2.5 * MILLION },
    },
  ]),
  claude('claude-sonnet-5-5', 2, [price(FROM, 2, 10, { read: 0.05 })]),
  claude('claude-opus-5-5', 3, [price(FROM, 4, 20, { read: 0.05 })]),
  claude('claude-fable-5-1', 3, [price(FROM, 10, 50, { read: 0.025 })]),
  claude('claude-opus-5', 3, [price(FROM, 5, 25)]),
  claude('claude-sonnet-5', 2, [price(FROM, 2, 10)]),
  claude('claude-haiku-4-5', 1, [price(FROM, 1, 5)], 64_000),
]

const OFFLINE: Model = {
  name: 'offline-1',
  provider: 'offline',
  tier: 0,
  contextTokens: MILLION,
  maxOutputTokens: 128_000,
  abilities: ['tools'],
  prices: [price(FROM, 0, 0)],
}

const declared = (provider: ProviderName, models: DeclaredModel[]): Model[] =>
  models.map(({ name, inputDollars, outputDollars, contextTokens, maxOutputTokens, tier }) => ({
    name,
    provider,
    tier,
    contextTokens,
    maxOutputTokens,
    // What a server's models can do is not declared: they are asked.
    abilities: ALL,
    // What a vendor asks for cached tokens is not declared: they are paid for as input, never as nothing.
    prices: [price(FROM, inputDollars, outputDollars, { read: 1, write: 1, write1h: 1, batch: 1 })],
  }))

const catalogues = new WeakMap<Config, Model[]>()

/** Every model this deployment may call, those of the first provider first. Throws for a model without a price. */
export function catalogueOf(config: Config): Model[] {
  const known = catalogues.get(config)
  if (known) return known
  const made = config.ai.providers.flatMap((provider) => modelsOf(config, provider))
  for (const { id, kind, model } of config.ai.experiments) {
    if (!KINDS.some((known) => known === kind)) throw new Error(`The experiment ${id} is of no kind of work: ${kind}`)
    if (!findNamed(made, model)) throw new Error(`The experiment ${id} names a model that is not there: ${model}`)
  }
  catalogues.set(config, made)
  return made
}

function modelsOf(config: Config, provider: ProviderName): Model[] {
  switch (provider) {
    case 'anthropic':
      return claudes(config)
    case 'openai-compatible':
      return declared(provider, config.ai.openai?.models ?? [])
    case 'workers-ai':
      return declared(provider, config.ai.workersAi?.models ?? [])
    case 'offline':
      return [OFFLINE]
  }
}

// A model that was named is the only one; the older ones are known for their prices, and not chosen.
function claudes({ ai }: Config): Model[] {
  const pinned = ai.anthropic?.model
  if (!pinned) return CLAUDE
  const model = findNamed(CLAUDE, pinned)
  if (!model)
    throw new Error(`No price is known for the model ${pinned}: name one of ${CLAUDE.map(({ name }) => name)}`)
  return [{ ...model, name: pinned }]
}

/** The model of this name; a dated snapshot is its model. */
export function findModel(config: Config, name: string): Model | undefined {
  return findNamed(catalogueOf(config), name)
}

function findNamed(models: Model[], name: string): Model | undefined {
  const plain = name.replace(/-20\d{6}$/, '')
  return models.find((model) => model.name === name) ?? models.find((model) => model.name === plain)
}
