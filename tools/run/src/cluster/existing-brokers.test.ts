import { describe, expect, it } from '@jest/globals';
import { existingBrokers } from './existing-brokers.ts';

const read = (text: string | undefined) => existingBrokers({ KAFKA_BROKERS: text });

describe('KAFKA_BROKERS', () => {
  it.each([undefined, '', '  '])('names no cluster: %j', text => expect(read(text)).toBeUndefined());

  it('is a list of addresses', () =>
    expect(read('kafka-1.example:9092, 10.0.0.2:19092,[::1]:9092,localhost:1')).toBe(
      'kafka-1.example:9092,10.0.0.2:19092,[::1]:9092,localhost:1',
    ));

  it.each(['kafka', 'a:1,', ',', 'a:0', 'a:65536', 'a:1;b:2', 'PLAINTEXT://a:1', ':9092', '::1:9092', 'a b:1'])(
    'is refused by name: %j',
    text => expect(() => read(text)).toThrow(/^KAFKA_BROKERS /),
  );
});
