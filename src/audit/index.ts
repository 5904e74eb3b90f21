export { listAllAudit } from './audit.ts'
export { namedIn, noteDenial, tellDenials } from './denials.ts'
export { AdminAuditQuery, AuditPage } from './schema.ts'
