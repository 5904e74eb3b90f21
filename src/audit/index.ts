export { listAllAudit } from './audit.ts'
export { namedIn, noteDenial } from './denials.ts'
export { AdminAuditQuery, AuditPage } from './schema.ts'
