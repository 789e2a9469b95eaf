import { z } from 'zod';

/** The schema inside optional, default, nullable, readonly, catch and the outer side of transforms. */
export function unwrapped(schema: z.ZodType): z.ZodType {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodReadonly ||
    schema instanceof z.ZodNonOptional ||
    schema instanceof z.ZodCatch
  ) {
    return unwrapped(schema.unwrap() as z.ZodType);
  }
  // What is written in a file is the transform's input.
  if (schema instanceof z.ZodPipe) return unwrapped(schema.in as z.ZodType);
  return schema;
}

/** The keys of an object schema; undefined where any key may stand (records, catchalls) or where the schema says nothing about keys. */
export function knownKeys(schema: z.ZodType): readonly string[] | undefined {
  const inner = unwrapped(schema);
  if (!(inner instanceof z.ZodObject)) return undefined;
  const { catchall } = inner.def;
  // strictObject has the catchall `never`, looseObject `unknown`.
  return catchall === undefined || catchall instanceof z.ZodNever ? Object.keys(inner.shape) : undefined;
}

/** What the schema says about one key of an object or record, or one entry of an array. */
export function childSchema(schema: z.ZodType, key: string): z.ZodType | undefined {
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodObject && Object.hasOwn(inner.shape, key)) return inner.shape[key] as z.ZodType;
  if (inner instanceof z.ZodRecord) return inner.valueType as z.ZodType;
  if (inner instanceof z.ZodArray) return inner.element as z.ZodType;
  return undefined;
}

export function isRecord(schema: z.ZodType): boolean {
  return unwrapped(schema) instanceof z.ZodRecord;
}

/** How the text of a variable is meant: as it stands for strings (a password of digits stays a string), else as a YAML value. */
export function readsAsText(schema: z.ZodType, text: string): boolean {
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodString || inner instanceof z.ZodEnum || inner instanceof z.ZodStringFormat) return true;
  if (
    inner instanceof z.ZodNumber ||
    inner instanceof z.ZodBoolean ||
    inner instanceof z.ZodBigInt ||
    inner instanceof z.ZodArray ||
    inner instanceof z.ZodObject ||
    inner instanceof z.ZodRecord
  ) {
    return false;
  }
  return inner.safeParse(text).success;
}
