import { fromUtf8 } from '../model/bytes.ts'
import { type Refusal, refuse } from '../model/errors.ts'

/** Text, a list, or a structure: all that the AWS Query protocol sends. Structures have no prototype. */
export type FormValue = string | readonly FormValue[] | { readonly [name: string]: FormValue }
export type Form = Readonly<Record<string, FormValue>>

const pairsMax = 10_000
const depthMax = 12
const nameForm = /^[A-Za-z0-9_-]{1,128}$/

/** A structure while it is read. What turns out to be a list has one member, `member`, whose members are numbers. */
interface Node {
  [name: string]: Node | string
}

/** `A.member.1.B=x` becomes `{ A: [{ B: 'x' }] }`. What a form can say twice, or in two ways, is refused. */
export function parseForm(body: Uint8Array): { readonly form: Form } | Refusal<'SerializationException'> {
  const text = fromUtf8(body)
  if (text === null) return malformed('The request is not valid UTF-8')
  const pairs = text.split('&').filter((pair) => pair !== '')
  if (pairs.length > pairsMax) return malformed(`A request has at most ${pairsMax} parameters`)
  const root: Node = Object.create(null)
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    const name = decode(at < 0 ? pair : pair.slice(0, at))
    const value = decode(at < 0 ? '' : pair.slice(at + 1))
    if (name === null || value === null) return malformed('A parameter is not valid percent-encoded UTF-8')
    const refused = place(root, name.split('.'), value)
    if (refused !== null) return malformed(refused)
  }
  if (root.member !== undefined) return malformed('A request is no list')
  const settled = settle(root)
  return typeof settled === 'string' ? malformed(settled) : { form: settled.value as Form }
}

/** Null where it fits; else the sentence that says why not. */
function place(root: Node, names: readonly string[], value: string): string | null {
  if (names.length > depthMax) return `A parameter's name has at most ${depthMax} parts`
  let node = root
  for (const [at, name] of names.entries()) {
    if (!nameForm.test(name)) return "A parameter's name is malformed"
    const held = node[name]
    if (at === names.length - 1) {
      if (held !== undefined) return `The parameter ${names.join('.')} is there twice`
      node[name] = value
    } else if (typeof held === 'string') {
      return `The parameter ${names.slice(0, at + 1).join('.')} is there twice`
    } else {
      const next: Node = held ?? Object.create(null)
      node[name] = next
      node = next
    }
  }
  return null
}

/** A string is the sentence that says what is wrong. */
function settle(node: Node): { readonly value: FormValue } | string {
  if (node.member !== undefined) return settleList(node)
  const structure: Record<string, FormValue> = Object.create(null)
  for (const name of Object.keys(node)) {
    const held = node[name] as Node | string
    const settled = typeof held === 'string' ? { value: held } : settle(held)
    if (typeof settled === 'string') return settled
    structure[name] = settled.value
  }
  return { value: structure }
}

/** Its members are counted from 1, and none is left out. */
function settleList({ member, ...others }: Node): { readonly value: FormValue } | string {
  if (typeof member !== 'object' || Object.keys(others).length > 0) return 'A list has members and nothing else'
  const count = Object.keys(member).length
  const values: FormValue[] = []
  for (let index = 1; index <= count; index++) {
    const held = member[String(index)]
    if (held === undefined) return "A list's members are numbered from 1, and none is left out"
    const settled = typeof held === 'string' ? { value: held } : settle(held)
    if (typeof settled === 'string') return settled
    values.push(settled.value)
  }
  return { value: values }
}

/** Null for what is not percent-encoded UTF-8. */
function decode(text: string): string | null {
  const spaced = text.replaceAll('+', ' ')
  if (!spaced.includes('%')) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch {
    return null
  }
}

function malformed(message: string): Refusal<'SerializationException'> {
  return refuse('SerializationException', message)
}
