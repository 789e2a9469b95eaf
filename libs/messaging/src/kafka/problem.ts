/** What is wrong with the broker or a topic: a name to look for, what was seen, what to do. Never a secret. */
export type KafkaProblem = { readonly name: KafkaProblemName; readonly seen: string; readonly fix: string };

export type KafkaProblemName =
  | 'KAFKA_UNREACHABLE'
  | 'KAFKA_AUTHENTICATION'
  | 'KAFKA_TLS'
  | 'KAFKA_VERSION'
  | 'KAFKA_NOT_AUTHORISED'
  | 'KAFKA_REFUSED'
  | 'KAFKA_CLOSED'
  | 'TOPIC_MISSING'
  | 'TOPIC_PARTITIONS'
  | 'TOPIC_RETENTION'
  | 'TOPIC_MESSAGE_SIZE';

export class KafkaError extends Error {
  override readonly name: KafkaProblemName;
  readonly problem: KafkaProblem;
  constructor(problem: KafkaProblem, cause?: unknown) {
    super(`${problem.seen}. ${problem.fix}`, { cause });
    this.name = problem.name;
    this.problem = problem;
  }
}

export function renderProblem({ name, seen, fix }: KafkaProblem): string {
  return `${name}: ${seen}. ${fix}`;
}

const fixes: Record<Exclude<KafkaProblemName, `TOPIC_${string}`>, string> = {
  KAFKA_UNREACHABLE: 'Is the broker running, and is its address right? Tried again until it answers',
  KAFKA_AUTHENTICATION: 'Set the SASL mechanism, user name and password that this cluster expects',
  KAFKA_TLS: 'Set the CA that signed the certificate of the broker, and address it by a name in that certificate',
  KAFKA_VERSION: 'Use an Apache Kafka from 0.11 to 4.x',
  KAFKA_NOT_AUTHORISED:
    'Give this user the rights to create, describe, read and write the topics and to use the groups of Holdfast',
  KAFKA_REFUSED: 'The message of the broker says why; tried again',
  KAFKA_CLOSED: 'Start the service again',
};

/** Names what kafkajs, the socket or TLS threw. The texts are those of kafka.md §3 and §8. */
export function problemOf(error: unknown): KafkaProblem {
  if (error instanceof KafkaError) return error.problem;
  const texts: string[] = [];
  const codes = new Set<string>();
  for (let at: unknown = error; at instanceof Error && texts.length < 5; at = at.cause) {
    texts.push(at.message);
    codes.add(at.name);
    for (const code of [codeOf(at, 'code'), codeOf(at, 'type')]) if (code !== undefined) codes.add(code);
  }
  const name = nameOf(codes, texts.join(' '));
  return { name, seen: texts[0] ?? String(error), fix: fixes[name] };
}

function nameOf(codes: ReadonlySet<string>, text: string): keyof typeof fixes {
  if (codes.has('KafkaJSSASLAuthenticationError') || /SASL/.test(text)) return 'KAFKA_AUTHENTICATION';
  if (
    [...codes].some(code => /CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code)) ||
    /certificate|SSL routines/i.test(text)
  )
    return 'KAFKA_TLS';
  if (codes.has('KafkaJSServerDoesNotSupportApiKey') || /API version|API Versions|UNSUPPORTED_VERSION/.test(text))
    return 'KAFKA_VERSION';
  if ([...codes].some(code => code.endsWith('_AUTHORIZATION_FAILED'))) return 'KAFKA_NOT_AUTHORISED';
  if (codes.has('KafkaJSProtocolError')) return 'KAFKA_REFUSED';
  return 'KAFKA_UNREACHABLE';
}

function codeOf(error: object, field: 'code' | 'type'): string | undefined {
  const value: unknown = Reflect.get(error, field);
  return typeof value === 'string' ? value : undefined;
}
