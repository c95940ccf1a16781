/** The page at `/` until the interface is there. */
import type { ServerContext } from './context.ts'
import { textBytes, type WireReply } from './reply.ts'

/** A public page that says what answers here. */
export function welcomePage({ node }: ServerContext): WireReply {
  const html = `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>${node} - Cairn</title></head>
<body>
<h1>Cairn</h1>
<p>This backup server is running. It has no web interface yet: use <code>cairn-client</code>,
<code>proxmox-backup-client</code> or Proxmox VE. The API is described in
<a href="/openapi.json">openapi.json</a>.</p>
</body>
</html>
`
  const headers = { 'content-type': 'text/html' }
  return { status: 200, headers, body: textBytes(html), compressible: false }
}
