import type { SealedColumn } from '#security'
import { devices } from './tables.ts'

/** Where push goes. */
export const devicesSealed: SealedColumn[] = [
  { table: devices, column: devices.address, id: devices.id, userId: devices.userId },
]
