/** What a request asks for, as one text: for faults that strike by it. */
import { packetType, type IncomingMessage } from './protocol/packets.ts';
import { parseBatch, parseCalls, parseTransactionRequest } from './protocol/requests.ts';

/** The batch; of a call its procedure and its parameters that are text, of sp_executesql the statement first; `COMMIT TRANSACTION` and the like. */
export function requestText({ type, payload }: IncomingMessage): string {
  switch (type) {
    case packetType.sqlBatch:
      return parseBatch(payload);
    case packetType.rpc:
      return parseCalls(payload)
        .flatMap(({ procedure, parameters }) => [
          ...(/^sp_executesql$/i.test(procedure) ? [] : [procedure]),
          ...parameters.map(({ value }) => value.value),
        ])
        .filter(each => typeof each === 'string')
        .join(' ');
    case packetType.transactionManager:
      return `${parseTransactionRequest(payload).operation.toUpperCase()} TRANSACTION`;
    default:
      return '';
  }
}
