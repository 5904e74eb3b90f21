export { exposedIn, refusalIn, setHeadersIn } from './speak.ts'
