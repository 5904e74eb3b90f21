export { refusalIn, setHeadersIn } from './speak.ts'
