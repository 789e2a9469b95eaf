/** What a process keeps on its heap once everything else was collected, asked through V8's inspector. */
export async function keptHeapBytes(inspector: string): Promise<number> {
  const socket = new WebSocket(inspector);
  const answers = new Map<number, (result: { readonly usedSize?: number }) => void>();
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as {
      readonly id: number;
      readonly result: { readonly usedSize?: number };
    };
    answers.get(id)?.(result);
  });
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve());
    socket.addEventListener('error', () => reject(new Error(`no inspector at ${inspector}`)));
  });
  const ask = (id: number, method: string): Promise<{ readonly usedSize?: number }> =>
    new Promise(resolve => {
      answers.set(id, resolve);
      socket.send(JSON.stringify({ id, method }));
    });
  await ask(1, 'HeapProfiler.collectGarbage');
  const { usedSize = NaN } = await ask(2, 'Runtime.getHeapUsage');
  socket.close();
  return usedSize;
}
