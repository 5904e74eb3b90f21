export { COMPAT_ROUTES, compatApp, compatMethods } from './routes.ts'
export { refusalIn, setHeadersIn } from './speak.ts'
