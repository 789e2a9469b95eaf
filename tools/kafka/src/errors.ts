export type KafkaErrorCode =
  /** Java or Maven is not on this machine. */
  | 'MISSING_PROGRAM'
  | 'MAVEN_FAILED'
  /** A jar is not the one that lock.json names. */
  | 'WRONG_JAR'
  | 'FORMAT_FAILED'
  /** A broker runs on this data folder. */
  | 'ALREADY_RUNNING'
  | 'PORT_TAKEN'
  /** The data folder cannot be used as asked. */
  | 'UNFIT_FOLDER'
  | 'BROKER_DIED'
  | 'NOT_READY';

export class KafkaError extends Error {
  override readonly name = 'KafkaError';
  readonly code: KafkaErrorCode;

  constructor(code: KafkaErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
