import { boolean, index, pgTable, primaryKey, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** A public key whose holder signs requests. A person demands signatures where any key of theirs is `demanded`. */
export const signingKeys = pgTable(
  'signing_keys',
  {
    id: text().primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    name: text().notNull(),
    algorithm: text().$type<'ed25519' | 'ecdsa-p256-sha256'>().notNull(),
    publicKey: text('public_key').notNull(),
    demanded: boolean().notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [uniqueIndex('signing_keys_known').on(t.userId, t.publicKey)],
)

/** What was signed once and must not come again while its signature would still do. */
export const signatureNonces = pgTable(
  'signature_nonces',
  {
    keyId: text('key_id')
      .notNull()
      .references(() => signingKeys.id, { onDelete: 'cascade' }),
    nonce: text().notNull(),
    keptUntil: at('kept_until').notNull(),
  },
  (t) => [primaryKey({ columns: [t.keyId, t.nonce] }), index('signature_nonces_age').on(t.keptUntil)],
)
