export { namedIn, noteDenial } from './denials.ts'
export { auditApp } from './routes.ts'
