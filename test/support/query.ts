import type { Draft } from './sign.ts'

/** What a form of AWS Query says: text, lists and structures. Undefined is left out. */
export type QueryInput = { readonly [name: string]: QueryMember }
type QueryMember = string | number | boolean | undefined | readonly QueryMember[] | QueryInput

/** `{ Tags: [{ Key: 'a' }] }` becomes `Tags.member.1.Key=a`. */
export function formOf(input: QueryInput): string {
  return Object.entries(input)
    .flatMap(([name, value]) => pairs(name, value))
    .map((pair) => pair.map(encodeURIComponent).join('='))
    .join('&')
}

function pairs(name: string, value: QueryMember): (readonly [string, string])[] {
  if (value === undefined) return []
  if (Array.isArray(value)) return value.flatMap((member, at) => pairs(`${name}.member.${at + 1}`, member))
  if (typeof value !== 'object') return [[name, String(value)]]
  return Object.entries(value).flatMap(([member, held]) => pairs(`${name}.${member}`, held))
}

const versions = { iam: '2010-05-08', sts: '2011-06-15' } as const
export type QueryService = keyof typeof versions

/** A signed POST of an action, as the AWS CLI sends it. */
export function queryDraft(service: QueryService, Action: string, input: QueryInput | string, draft: Draft): Draft {
  const body = typeof input === 'string' ? input : formOf({ Action, Version: versions[service], ...input })
  const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8', ...draft.headers }
  return { operation: null, service, body, ...draft, headers }
}

/** Text, a list of what is in its `member`s, or a structure; of nothing at all, empty text. */
export type Xml = string | readonly Xml[] | { readonly [name: string]: Xml }

const tag = /<(\/?)([A-Za-z][\w.-]*)((?:\s+[\w:]+="[^"<&]*")*)>|([^<]+)/y

/** A document of elements and text. Throws where it is not well-formed, or holds what XML 1.0 does not allow. */
export function readXml(text: string): Xml {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Cs}/u.test(text)) throw new Error(`No XML: ${text}`)
  const root: Open = { name: '', children: [], text: '' }
  const open: Open[] = [root]
  tag.lastIndex = 0
  while (tag.lastIndex < text.length) {
    const at = tag.lastIndex
    const [, slash, name, , chars] = tag.exec(text) ?? failed(text, at)
    const parent = open.at(-1) as Open
    if (chars !== undefined) parent.text += unescaped(chars)
    else if (slash === '/') {
      if (parent.name !== name || open.length === 1) failed(text, at)
      open.pop()
    } else {
      const child: Open = { name: name as string, children: [], text: '' }
      parent.children.push(child)
      open.push(child)
    }
  }
  if (open.length > 1 || root.children.length !== 1) failed(text, text.length)
  return contentOf(root)
}

interface Open {
  readonly name: string
  readonly children: Open[]
  text: string
}

function contentOf({ children, text }: Open): Xml {
  if (children.length === 0) return text
  if (children.every(({ name }) => name === 'member')) return children.map(contentOf)
  return Object.fromEntries(children.map((child) => [child.name, contentOf(child)]))
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescaped(text: string): string {
  return text.replace(/&(#x([0-9A-Fa-f]+);|([a-z]+);)?/g, (all, _, hex: string | undefined, name: string) => {
    const value = hex === undefined ? entities[name] : String.fromCodePoint(Number.parseInt(hex, 16))
    return value ?? failed(all, 0)
  })
}

function failed(text: string, at: number): never {
  throw new Error(`Not well-formed at ${at}: ${text.slice(at, at + 80)}`)
}
