/** A TCP relay on loopback that delivers everything later: the distance to a server far away. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface DelayProxy extends AsyncDisposable {
  readonly port: number
}

/** Relays to `targetPort`; each direction is late by half of `roundTripMs`. */
export async function startDelayProxy(
  targetPort: number,
  roundTripMs: number,
): Promise<DelayProxy> {
  const open = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1')
    for (const socket of [near, far]) {
      open.add(socket)
      socket.once('close', () => open.delete(socket))
    }
    far.setNoDelay(true)
    near.setNoDelay(true)
    relay(near, far, roundTripMs / 2)
    relay(far, near, roundTripMs / 2)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      // An end whose client has gone may never be delivered.
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => {
        server.close(resolve)
      })
    },
  }
}

/** Bytes on the way are kept in timers: what is in flight over such a distance. */
function relay(from: Socket, to: Socket, delayMs: number): void {
  from.on('data', (bytes) => {
    setTimeout(() => {
      if (!to.destroyed) to.write(bytes)
    }, delayMs)
  })
  from.on('end', () => {
    setTimeout(() => to.end(), delayMs)
  })
  from.on('error', () => to.destroy())
}
