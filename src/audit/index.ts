export { listAllAudit } from './audit.ts'
export { namedIn, noteDenial } from './denials.ts'
export { auditApp } from './routes.ts'
export { AdminAuditQuery, AuditPage } from './schema.ts'
