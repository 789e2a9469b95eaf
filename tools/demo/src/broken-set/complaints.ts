import type { BrokenSet } from './broken-set.ts';
import { databasesOfOffer, type Stop } from './offer.ts';

export type BrokenSetFacts = {
  readonly broken: BrokenSet;
  readonly databases: readonly string[];
  /** Undefined: none was asked for. */
  readonly previewedMark: string | undefined;
  readonly landedAt: string | null;
  /** In their order. */
  readonly stops: readonly Stop[];
  /** Databases for which the failover sent a full backup. */
  readonly reseeded: readonly string[];
};

/** What is not as it must be with a failover whose newest set is broken. None: it was seen, said and led around. */
export function brokenSetComplaints(facts: BrokenSetFacts): readonly string[] {
  const { broken, landedAt } = facts;
  const landed =
    landedAt === broken.markBefore ? [] : [`it landed at ${landedAt ?? 'no mark'}, not at ${broken.markBefore}`];
  return [...landed, ...(broken.damage === 'rotten' ? complaintsOfOffer(facts) : complaintsOfVerdict(facts))];
}

/** A file that is cut off or missing is known before: the failover goes straight to the mark before. */
function complaintsOfVerdict({ broken, previewedMark, stops, reseeded }: BrokenSetFacts): readonly string[] {
  const { verdict, file, mark, markBefore, damage } = broken;
  const code = damage === 'missing' ? 'FILE_MISSING' : 'FILE_DAMAGED';
  const named = verdict?.reasons.some(
    reason => reason.code === code && `${reason.message} ${reason.evidence ?? ''}`.includes(file),
  );
  return [
    ...complaintIf(
      verdict?.verdict !== 'BROKEN' || named !== true,
      `the ledger does not say BROKEN of ${mark} with ${code} and ${file}`,
    ),
    ...complaintIf(
      previewedMark !== markBefore,
      `the newest mark on offer was ${previewedMark ?? 'none'}, not ${markBefore}`,
    ),
    ...complaintIf(stops.length > 0, `it stopped for a person: ${stops.map(({ step }) => step.name).join(', ')}`),
    ...complaintIf(reseeded.length > 0, `${reseeded.join(', ')} began again from a full backup`),
  ];
}

/** Only its restore finds rot: the failover stops before any recovery, and goes on to the mark before when a person says so. */
function complaintsOfOffer({ broken, databases, previewedMark, stops, reseeded }: BrokenSetFacts): readonly string[] {
  const { file, mark, markBefore } = broken;
  const [stop, ...others] = stops;
  const foreseen = complaintIf(
    previewedMark !== mark,
    `the preview, which cannot know of the rot, named ${previewedMark ?? 'none'}, not ${mark}`,
  );
  if (stop === undefined) return [...foreseen, 'it did not stop for a person'];
  const { state, passedPointOfNoReturn, open, past, step } = stop;
  const offer = databasesOfOffer(stop, markBefore);
  const named = [...(offer?.past ?? []), ...(offer?.notPast ?? [])];
  return [
    ...foreseen,
    ...complaintIf(others.length > 0, `it stopped again: ${others.map(each => each.step.name).join(', ')}`),
    ...complaintIf(state !== 'AWAITING_OPERATOR', `it stopped in ${state}, not in AWAITING_OPERATOR`),
    ...complaintIf(
      passedPointOfNoReturn || open.length > 0,
      `it stopped after recovery had begun: ${open.join(', ') || 'the point of no return is passed'}`,
    ),
    ...complaintIf(!step.why.includes(file), `the stop does not name ${file}: ${step.why}`),
    ...complaintIf(!step.name.includes(markBefore), `the stop does not offer ${markBefore}: ${step.name}`),
    ...complaintIf(!/\btakes\b/.test(step.expected), `the stop does not say how long that takes: ${step.expected}`),
    ...complaintIf(!same(named, databases), `past the older mark or not: it names ${named.join(', ') || 'nothing'}`),
    ...complaintIf(
      !same(offer?.past ?? [], past),
      `past the older mark are ${past.join(', ') || 'none'}; it names ${offer?.past.join(', ') ?? 'none'}`,
    ),
    ...complaintIf(
      !same(reseeded, past),
      `${reseeded.join(', ') || 'nothing'} began again, and past the older mark were ${past.join(', ') || 'none'}`,
    ),
  ];
}

function complaintIf(isSo: boolean, complaint: string): readonly string[] {
  return isSo ? [complaint] : [];
}

function same(left: readonly string[], right: readonly string[]): boolean {
  return String(left.toSorted()) === String(right.toSorted());
}
