import { pino, stdTimeFunctions, type DestinationStream, type LevelWithSilent, type Logger } from 'pino';
import { isError, safeMessage, scrub } from './safe-message.ts';

export { type Logger } from 'pino';

const hidden = '[hidden]';
const secretKey = /password|passwd|secret|token|authorization|signature|cookie/i;
/** Deeper values are not worth a log line; the bound also keeps a hostile value from exhausting the stack. */
const maxDepth = 8;

export type LoggerOptions = {
  readonly service: string;
  readonly level: LevelWithSilent;
  /** Standard output when left out. */
  readonly destination?: DestinationStream;
};

/** JSON lines with ISO time and service name. Values under secret-looking keys are hidden at any depth; all texts are scrubbed. */
export function createLogger({ service, level, destination }: LoggerOptions): Logger {
  const options = {
    level,
    base: { service },
    timestamp: stdTimeFunctions.isoTime,
    formatters: {
      level: (label: string) => ({ level: label }),
      // pino's own `redact` takes fixed paths only; secrets hide at any depth.
      log: redacted,
    },
    // The formatters have rendered errors already: pino's serializer would look for fields that are gone.
    serializers: { err: (value: unknown) => value },
    hooks: { logMethod: scrubArguments },
  };
  const logger: Logger = destination === undefined ? pino(options) : pino(options, destination);
  // pino drops `formatters.bindings` for children, and children inherit from their parent: so this reaches all of them.
  const parentChild: unknown = Reflect.get(logger, 'child');
  const child = parentChild as (this: Logger, bindings: Record<string, unknown>, options?: object) => Logger;
  return Object.assign(logger, {
    child(this: Logger, bindings: Record<string, unknown>, childOptions?: object): Logger {
      return child.call(this, redacted(bindings), childOptions);
    },
  });
}

type LogMethod = (this: Logger, ...args: unknown[]) => void;

/** pino would write the raw message of a lone error and interpolate raw values into the text. */
function scrubArguments(this: Logger, args: unknown[], method: unknown): void {
  const [first, ...rest] = args;
  const texts = rest.map(each => (typeof each === 'string' ? scrub(each) : hide(each, 0)));
  const log = method as LogMethod;
  if (isError(first)) log.call(this, { err: first }, ...(texts.length > 0 ? texts : [safeMessage(first)]));
  else log.call(this, typeof first === 'string' ? scrub(first) : first, ...texts);
}

function redacted(object: Record<string, unknown>): Record<string, unknown> {
  return hideFields(object, 0);
}

function hideFields(object: object, depth: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(object).map(([key, value]) => [key, secretKey.test(key) ? hidden : hide(value, depth + 1)]),
  );
}

function hide(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return scrub(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return value;
  if (isError(value)) return renderError(value);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth >= maxDepth) return '[too deep]';
  if (Array.isArray(value)) return value.map(each => hide(each, depth + 1));
  return hideFields(value, depth);
}

function renderError(error: Error): { type: string; message: string; stack: string } {
  return { type: error.name, message: safeMessage(error), stack: scrub(error.stack ?? '') };
}
