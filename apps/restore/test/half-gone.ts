import { estate, twoSmallPlaces } from './estate-of-two.ts';
import { fakeSource } from './fake-source.ts';
import { openFailover } from './open-failover.ts';

const [gone, living] = twoSmallPlaces.places;
const known = estate({ shape: twoSmallPlaces });

/** A failover from two sources in memory: one is declared gone, the other one, with the database Orders, answers. */
export async function openHalfGone(runnerClock: () => number = Date.now) {
  const source = fakeSource(known, living!.sourceId);
  const failover = await openFailover({
    known,
    instances: source.beside,
    input: { declaredUnreachable: [{ instanceId: gone!.sourceId, reason: 'under water' }] },
    probe: async asked => ({ answer: asked === living!.sourceId ? 'ANSWERS' : 'SILENT', evidence: 'e' }),
    runnerClock,
  });
  return { ...failover, source };
}
