/** Wireshark's dissector of TDS as a judge of what a server sent. */
import { spawn } from 'node:child_process';
import { capturedPort } from './recorder.ts';

/** Numbers of the frames that show what `filter` says, of the server alone. */
async function serverFrames(file: string, filter: string): Promise<number[]> {
  const decodeAs = `tcp.port==${capturedPort},tds`;
  const only = `tcp.srcport == ${capturedPort} && (${filter})`;
  const child = spawn('tshark', ['-n', '-r', file, '-d', decodeAs, '-Y', only, '-T', 'fields', '-e', 'frame.number'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { out: '', errors: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.errors += text));
  const code = await new Promise<number | null>(resolve => child.once('close', resolve));
  if (code !== 0) throw new Error(`tshark: ${said.errors}`);
  return said.out.split('\n').filter(Boolean).map(Number);
}

export async function judge(file: string): Promise<{ readonly tds: number; readonly malformed: readonly number[] }> {
  const tds = await serverFrames(file, 'tds');
  return { tds: tds.length, malformed: await serverFrames(file, '_ws.malformed || _ws.expert.severity == "Error"') };
}
