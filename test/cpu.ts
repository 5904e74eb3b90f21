/** Milliseconds of processor time this thread has had: what others do on the machine is not counted. */
export function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
