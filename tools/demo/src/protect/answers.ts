/** An answer of a mutation: the thing itself or a named refusal. */
export type Union = {
  readonly __typename: string;
  readonly id?: string;
  readonly message?: string;
  readonly fix?: string;
} & Readonly<Record<string, unknown>>;

/** The id of the wanted thing; `elsewhere`: refusals that carry it, and under which field. @throws Error with the refusal's name and texts. */
export function outcomeOf(answer: Union, wanted: string, elsewhere: Readonly<Record<string, string>> = {}): string {
  if (answer.__typename === wanted && answer.id !== undefined) return answer.id;
  const field = elsewhere[answer.__typename];
  const carried = field === undefined ? undefined : (answer[field] as { readonly id?: string } | undefined);
  if (carried?.id !== undefined) return carried.id;
  throw new Error(`Refused with ${answer.__typename}: ${answer.message ?? ''} ${answer.fix ?? ''}`);
}

const askEveryMs = 250;
/** For what takes seconds: a machine with much else to do takes minutes. */
export const patienceMs = 240_000;

/** Asks until there is an answer. @throws Error at the limit. */
export async function until<T>(limitMs: number, ask: () => Promise<T | undefined>): Promise<T> {
  const limit = AbortSignal.timeout(limitMs);
  while (!limit.aborted) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise(resolve => setTimeout(resolve, askEveryMs));
  }
  throw new Error(`There was no answer within ${limitMs} ms.`);
}
