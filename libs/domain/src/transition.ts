/** A move of an entity from one of some states to another. `apply` changes the rest; the state is set from `to`. */
export type Transition<Entity extends { readonly state: string }, Input> = {
  readonly from: readonly Entity['state'][];
  readonly to: Entity['state'];
  readonly apply: (entity: Entity, input: Input) => Entity;
};

/** The named refusal of a move that the entity's state does not allow. */
export type IllegalTransition<State extends string = string> = {
  readonly kind: 'IllegalTransition';
  readonly action: string;
  readonly state: State;
  readonly allowedFrom: readonly State[];
};

export type Moved<Entity extends { readonly state: string }> =
  | { readonly kind: 'MOVED'; readonly entity: Entity }
  | { readonly kind: 'REFUSED'; readonly refusal: IllegalTransition<Entity['state']> };

/** Called with the entity's type first, since the table alone cannot name it: `defineTransitions<Standby>()({…})`. */
export function defineTransitions<Entity extends { readonly state: string }>() {
  return <Table extends Readonly<Record<string, Transition<Entity, never>>>>(table: Table) => {
    type InputOf<Action extends keyof Table> = Parameters<Table[Action]['apply']>[1];

    /** The moved entity, or the refusal; `apply` does not run for a refused move, so it may trust the state. */
    return <Action extends keyof Table & string>(
      entity: Entity,
      action: Action,
      input: InputOf<Action>,
    ): Moved<Entity> => {
      const { from, to, apply } = table[action] as unknown as Transition<Entity, InputOf<Action>>;
      if (!from.includes(entity.state)) {
        return {
          kind: 'REFUSED',
          refusal: { kind: 'IllegalTransition', action, state: entity.state, allowedFrom: from },
        };
      }
      return { kind: 'MOVED', entity: { ...apply(entity, input), state: to } };
    };
  };
}
