import { isolateBreakers } from './breaker.ts'

// Run before each file of tests, which share a process: a provider that one had fail is none of another's.
isolateBreakers.known.clear()
