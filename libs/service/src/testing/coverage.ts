/** Injures a trial at every planned place: run after run with what is left, and a run that ends otherwise is split. */
import { injure } from './chain.ts';
import { difference, idOf, type Injury, type InjuryTrial } from './injury.ts';
import { type Place, renderPlace } from './places.ts';

export type Coverage = {
  readonly planned: number;
  readonly hit: readonly Place[];
  /** Hit, and the run ended as a clean one does. */
  readonly equal: readonly Place[];
  /** Not passed again by any run, though another passing of the same checkpoint was: it depends on timing. */
  readonly sometimes: readonly Place[];
  readonly runs: number;
  /** What must not be, each with the place that causes it. */
  readonly problems: readonly string[];
};

export type CoverOptions<World> = {
  readonly trial: InjuryTrial<World>;
  readonly module: URL;
  readonly injury: Injury;
  readonly places: readonly Place[];
  /** Of a clean run. */
  readonly endState: unknown;
  /** Places in one world; left out: as many as it comes to. */
  readonly atOnce?: number;
  /** Checkpoints known to be passed by an injured run. */
  readonly met?: ReadonlySet<string>;
  readonly onRun?: (hit: number) => void;
};

/** Runs that met nothing of what they were to meet, before a checkpoint counts as never passed; one passing of several is not waited for. */
const futileRuns = 3;
/** A run that ends otherwise is split so often; what remains is told together. */
const splittingRuns = 24;

export async function cover<World>(options: CoverOptions<World>): Promise<Coverage> {
  const { places, onRun = () => undefined, atOnce = places.length } = options;
  const left = new Map(places.map(place => [idOf(place), place]));
  const missed = new Map<string, number>();
  const met = new Set(options.met);
  const [hit, equal, never, problems]: [Place[], Place[], Place[], string[]] = [[], [], [], []];
  let runs = 0;
  while (left.size > 0) {
    const wanted = [...left.values()].slice(0, atOnce);
    const outcome = await attempt(options, wanted);
    runs += 1;
    for (const place of outcome.hit) {
      left.delete(idOf(place));
      met.add(place.checkpoint);
    }
    hit.push(...outcome.hit);
    onRun(hit.length);
    if (outcome.problem === undefined) equal.push(...outcome.hit);
    else {
      const narrowed = await narrow(options, outcome.hit, outcome.problem);
      runs += narrowed.runs;
      problems.push(...narrowed.problems);
    }
    for (const place of outcome.hit.length > 0 ? [] : wanted) {
      const times = (missed.get(idOf(place)) ?? 0) + 1;
      missed.set(idOf(place), times);
      if (times < futileRuns && !met.has(place.checkpoint)) continue;
      left.delete(idOf(place));
      never.push(place);
    }
  }
  const sometimes = never.filter(({ checkpoint }) => met.has(checkpoint));
  for (const place of never)
    if (!met.has(place.checkpoint)) problems.push(`no run comes to ${renderPlace(place)} any more`);
  return { planned: places.length, hit, equal, sometimes, runs, problems };
}

type Attempt = { readonly hit: readonly Place[]; readonly problem: string | undefined };

async function attempt<World>(
  { trial, module, injury, endState }: CoverOptions<World>,
  places: readonly Place[],
): Promise<Attempt> {
  const injured = await injure(trial, module, { injury, places });
  return { hit: injured.hit, problem: injured.problem ?? difference(endState, injured.endState) };
}

/** The single places that make a run end otherwise; where only several together do, those. */
async function narrow<World>(
  options: CoverOptions<World>,
  hit: readonly Place[],
  problem: string,
): Promise<{ readonly problems: readonly string[]; readonly runs: number }> {
  const problems: string[] = [];
  let runs = 0;
  const tell = (places: readonly Place[], found: string) => {
    const where = places.length === 0 ? 'no place' : places.map(renderPlace).join(', ');
    problems.push(`${options.injury} at ${where}${places.length > 1 ? ' in one run' : ''}: ${found}`);
  };
  const split = async (places: readonly Place[], found: string): Promise<void> => {
    if (places.length <= 1 || runs >= splittingRuns) {
      tell(places, found);
      return;
    }
    const middle = Math.ceil(places.length / 2);
    let isNarrower = false;
    for (const half of [places.slice(0, middle), places.slice(middle)]) {
      const { problem: narrower } = await attempt(options, half);
      runs += 1;
      if (narrower === undefined) continue;
      isNarrower = true;
      await split(half, narrower);
    }
    if (!isNarrower) tell(places, found);
  };
  await split(hit, problem);
  return { problems, runs };
}
