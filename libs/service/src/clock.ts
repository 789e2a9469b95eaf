/** Milliseconds since the epoch; a parameter everywhere, so that tests own time. */
export type Clock = () => number;
