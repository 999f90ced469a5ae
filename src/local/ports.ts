import { createServer } from 'node:net'
import { Stop } from './options.ts'

/** The port itself where it is free; 0 chooses one. */
export function freePort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (failure: NodeJS.ErrnoException) => {
      if (failure.code === 'EADDRINUSE')
        reject(new Stop(`Port ${port} on ${host} is taken. Choose another with --port.`))
      else reject(new Stop(`${host}:${port} cannot be listened on: ${failure.message}.`))
    })
    server.listen({ host, port }, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port))
    })
  })
}
