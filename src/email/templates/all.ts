import { accountChanged } from './account-changed.ts'
import { accountExists } from './account-exists.ts'
import { dataReady } from './data-ready.ts'
import { deletionScheduled } from './deletion-scheduled.ts'
import { factorChanged } from './factor-changed.ts'
import { identityLinked, identityUnlinked } from './identity-changed.ts'
import { keyCreated } from './key-created.ts'
import { magicLink } from './magic-link.ts'
import { newAddress } from './new-address.ts'
import { newDevice } from './new-device.ts'
import { notification, notificationDigest } from './notification.ts'
import { passwordReset } from './password-reset.ts'
import { verifyAddress } from './verify-address.ts'
import { welcome } from './welcome.ts'

/** Every kind of mail there is, by the name its row has. */
export const TEMPLATES = {
  welcome,
  verify_address: verifyAddress,
  new_address: newAddress,
  password_reset: passwordReset,
  magic_link: magicLink,
  new_device: newDevice,
  key_created: keyCreated,
  factor_changed: factorChanged,
  data_ready: dataReady,
  deletion_scheduled: deletionScheduled,
  account_exists: accountExists,
  account_changed: accountChanged,
  identity_linked: identityLinked,
  identity_unlinked: identityUnlinked,
  notification,
  notification_digest: notificationDigest,
}
export type Templates = typeof TEMPLATES
export type MailKind = keyof Templates
