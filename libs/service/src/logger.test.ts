import { describe, expect, it } from '@jest/globals';
import { createLogger } from './logger.ts';
import { safeMessage } from './safe-message.ts';

function logged(write: (logger: ReturnType<typeof createLogger>) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  write(createLogger({ service: 'inventory', level: 'info', destination: { write: line => void lines.push(line) } }));
  return lines.map(line => JSON.parse(line) as Record<string, unknown>);
}

describe('the logger', () => {
  it('writes service, level and ISO time', () => {
    const [line] = logged(logger => logger.info({ groupId: 'g1', lsn: 5n }, 'observed'));
    expect(line).toMatchObject({ service: 'inventory', level: 'info', msg: 'observed', groupId: 'g1', lsn: '5' });
    expect(line?.['time']).toMatch(/^\d{4}-\d{2}-\d{2}T.*Z$/);
  });

  it('hides secrets at any depth, in child bindings, arrays and interpolated values', () => {
    const lines = logged(logger => {
      logger.info({
        a: [{ b: { dbPassword: 'hunter2', 'X-Authorization': 'hunter2', clientSecret: { x: 'hunter2' } } }],
        token: 'hunter2',
      });
      logger.child({ signature: 'hunter2' }).info('hello');
      logger.info('got %o', { accessToken: 'hunter2' });
      logger.info('to mssql://sa:hunter2@host/db and Server=h;Password=hunter2;');
    });
    expect(lines).toHaveLength(4);
    expect(JSON.stringify(lines)).not.toContain('hunter2');
  });

  it('renders errors with their causes and without secrets', () => {
    const error = new Error('no login', { cause: new Error('Server=db1;User Id=sa;Password=hunter2') });
    const lines = logged(logger => {
      logger.error(error);
      logger.error({ err: error, inner: { error } }, 'failed');
    });
    expect(lines[0]).toMatchObject({
      msg: expect.stringContaining('caused by'),
      err: { type: 'Error', stack: expect.any(String) },
    });
    expect(JSON.stringify(lines)).not.toContain('hunter2');
  });

  it('survives circular values', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    expect(logged(logger => logger.info(circle))).toHaveLength(1);
  });
});

describe('safeMessage', () => {
  it('tells the chain with number, class and code', () => {
    const driver = Object.assign(new Error('Login failed'), { number: 18456, class: 14, code: 'ELOGIN' });
    expect(safeMessage(new Error('no connection', { cause: driver }))).toBe(
      'Error: no connection; caused by Error: Login failed (number 18456, class 14, code ELOGIN)',
    );
  });

  it.each([
    'Data Source=db1;Initial Catalog=m;pwd="hun;ter2";Encrypt=true',
    'https://user:hunter2@host/x',
    'mssql://sa:hunter2@host:1433/db',
    'Authorization: Bearer hunter2.x',
    'password=hunter2',
    '{"password": "hunter2"}',
    'https://h/x?access_token=hunter2&y=1',
  ])('scrubs %j', text => expect(safeMessage(new Error(text))).not.toMatch(/hun;?ter2/));

  it('leaves ordinary messages as they are', () => {
    expect(safeMessage(new Error("Cannot open database 'x' at db1:1433, state=3"))).toBe(
      "Error: Cannot open database 'x' at db1:1433, state=3",
    );
  });

  it('ends for circular causes and says something for what is no error', () => {
    const a = new Error('a');
    a.cause = new Error('b', { cause: a });
    expect(safeMessage(a)).toBe('Error: a; caused by Error: b');
    expect(safeMessage(new AggregateError([new Error('x'), new Error('y')], 'both'))).toBe(
      'AggregateError: both [Error: x | Error: y]',
    );
    expect(safeMessage(undefined)).toBe('no error given');
    expect(safeMessage({ password: 'hunter2' })).toBe('a thrown object');
  });
});
