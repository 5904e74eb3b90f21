// Where tests of a domain find it: they take what is theirs from here.
export { type Script, startOpenAiFake } from '../local/openai-fake.ts'
