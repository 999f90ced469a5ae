import { utf8 } from '../model/bytes.ts'

/** A request as SigV4 sees it. Nothing here is decoded or normalised yet but the names of the headers, which are lower-case. */
export interface SignableRequest {
  readonly method: string
  /** As on the wire, `?` and query excluded. */
  readonly path: string
  /** As on the wire, without `?`. */
  readonly query: string
  /** The signed headers, in the order of SignedHeaders; a name may repeat. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** SignedHeaders as the client wrote it. */
  readonly signedHeaders: string
  readonly payloadHash: string
}

/**
 * The canonical request of "Signing AWS API requests". `normalizesPath` is what every service but S3 does;
 * KMS has one path, so only the test suite asks for the other.
 */
export function canonicalRequest(request: SignableRequest, { normalizesPath = true } = {}): string {
  const { method, headers, signedHeaders, payloadHash } = request
  const path = canonicalPath(request.path, normalizesPath)
  const query = canonicalQuery(request.query)
  return `${method}\n${path}\n${query}\n${canonicalHeaders(headers)}\n${signedHeaders}\n${payloadHash}`
}

function canonicalHeaders(headers: SignableRequest['headers']): string {
  let text = ''
  let last = ''
  for (const [name, value] of headers) {
    // Headers of one name share a line.
    if (name === last) text = `${text.slice(0, -1)},${trimAll(value)}\n`
    else text += `${name}:${trimAll(value)}\n`
    last = name
  }
  return text
}

/** Runs of white space become one space; none at the ends. */
function trimAll(value: string): string {
  const trimmed = value.trim()
  return trimmed.includes('  ') || /[\t\r\n]/.test(trimmed) ? trimmed.replace(/\s+/g, ' ') : trimmed
}

function canonicalPath(path: string, normalizes: boolean): string {
  if (path === '/' || path === '') return '/'
  const encoded = path.split('/').map(encodeSegment)
  return normalizes ? normalized(encoded) : encoded.join('/')
}

/** RFC 3986, section 5.2.4, and no empty segments. */
function normalized(segments: readonly string[]): string {
  const kept: string[] = []
  for (const segment of segments) {
    if (segment === '..') kept.pop()
    else if (segment !== '' && segment !== '.') kept.push(segment)
  }
  const last = segments.at(-1)
  const isFolder = kept.length > 0 && (last === '' || last === '.' || last === '..')
  return `/${kept.join('/')}${isFolder ? '/' : ''}`
}

function canonicalQuery(query: string): string {
  if (query === '') return ''
  const pairs = query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const at = pair.indexOf('=')
      const [name, value] = at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)]
      return [encodeSegment(decoded(name)), encodeSegment(decoded(value))] as const
    })
    .filter(([name]) => name !== 'X-Amz-Signature')
  const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
  pairs.sort(([nameA, valueA], [nameB, valueB]) => compare(nameA, nameB) || compare(valueA, valueB))
  return pairs.map(([name, value]) => `${name}=${value}`).join('&')
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Everything but the unreserved characters of RFC 3986, as %XX of its UTF-8 bytes. */
function encodeSegment(text: string): string {
  if (/^[A-Za-z0-9\-._~]*$/.test(text)) return text
  let encoded = ''
  for (const byte of utf8(text)) {
    const character = String.fromCharCode(byte)
    encoded += /[A-Za-z0-9\-._~]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}
