import type { Call } from '../model/call.ts'
import type { AccessRequest } from './request.ts'

type Asked = Pick<AccessRequest, 'action' | 'resource' | 'resourceAccount' | 'parameters'> & Partial<AccessRequest>

/** What a call asks: its caller and surroundings, and what is asked of which resource. */
export function requestOf(call: Call, asked: Asked): AccessRequest {
  const { principal, region, wallTime, sourceIp, userAgent, isSecure, viaService } = call
  return {
    principal,
    key: null,
    keyNamed: null,
    region,
    wallTime,
    sourceIp,
    userAgent,
    isSecure,
    viaService,
    ...asked,
  }
}
