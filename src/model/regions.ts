/**
 * The Regions a signature may be scoped to, each with the Durable Object location hint that is nearest to it.
 * A hint is honoured when an object is first created and never again.
 */
const locationHints = {
  'af-south-1': 'afr',
  'ap-east-1': 'apac',
  'ap-east-2': 'apac',
  'ap-northeast-1': 'apac',
  'ap-northeast-2': 'apac',
  'ap-northeast-3': 'apac',
  'ap-south-1': 'apac',
  'ap-south-2': 'apac',
  'ap-southeast-1': 'apac',
  'ap-southeast-2': 'oc',
  'ap-southeast-3': 'apac',
  'ap-southeast-4': 'oc',
  'ap-southeast-5': 'apac',
  'ap-southeast-6': 'oc',
  'ap-southeast-7': 'apac',
  'ca-central-1': 'enam',
  'ca-west-1': 'wnam',
  'eu-central-1': 'weur',
  'eu-central-2': 'weur',
  'eu-north-1': 'weur',
  'eu-south-1': 'weur',
  'eu-south-2': 'weur',
  'eu-west-1': 'weur',
  'eu-west-2': 'weur',
  'eu-west-3': 'weur',
  'il-central-1': 'me',
  'me-central-1': 'me',
  'me-south-1': 'me',
  'mx-central-1': 'wnam',
  'sa-east-1': 'sam',
  'us-east-1': 'enam',
  'us-east-2': 'enam',
  'us-west-1': 'wnam',
  'us-west-2': 'wnam',
} as const

export type LocationHint = (typeof locationHints)[keyof typeof locationHints]

const byRegion: ReadonlyMap<string, LocationHint> = new Map(Object.entries(locationHints))

export function isRegion(text: string): boolean {
  return byRegion.has(text)
}

/** Null for a name that is no Region. */
export function locationHint(region: string): LocationHint | null {
  return byRegion.get(region) ?? null
}
