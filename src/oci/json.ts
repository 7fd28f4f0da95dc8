import * as v from 'valibot';
import { UserError, messageOf } from '../util/errors.js';

/** A schema that reads `Output` from anything. */
export type Schema<Output> = v.GenericSchema<unknown, Output>;

/**
 * Reads JSON (strict UTF-8) as `schema` says. `what` names it in the UserError
 * (TSB_IMAGE_INVALID), like `manifest "debian:bookworm"`.
 */
export function parseJson<Output>(bytes: Uint8Array, schema: Schema<Output>, what: string): Output {
  return parseValue(decodeJson(bytes, what), schema, what);
}

/** The JSON value in `bytes`, unchecked. */
export function decodeJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new UserError('TSB_IMAGE_INVALID', `Cannot parse ${what}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Checks a JSON value as `schema` says; errors as in {@link parseJson}. */
export function parseValue<Output>(value: unknown, schema: Schema<Output>, what: string): Output {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue);
  const missing = issue.type === 'loose_object' && path !== null && issue.received === 'undefined';
  const found = missing ? 'nothing' : issue.received;
  const stated = issue.type === 'custom' ? issue.message : (issue.expected ?? issue.message);
  const want = missing ? 'a value' : stated;
  const place = path === null ? '' : `${path}: `;
  const message = `Cannot parse ${what}: ${place}found ${found}, want ${want}`;
  throw new UserError('TSB_IMAGE_INVALID', message);
}

/** The bytes of a JSON document as we write it: no spaces, keys in the order of the object. */
export function encodeJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value), 'utf8');
}

/**
 * An object of which only the named keys are checked: others survive. A key whose value is null
 * counts as absent, because Go writes empty lists and maps so.
 */
export function wireObject<const Entries extends v.ObjectEntries>(
  entries: Entries,
): v.GenericSchema<unknown, v.InferOutput<v.LooseObjectSchema<Entries, undefined>>> {
  const object = v.looseObject(entries);
  return v.pipe(v.unknown(), v.transform(withoutNulls), object);
}

function withoutNulls(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, child]) => child !== null));
}
