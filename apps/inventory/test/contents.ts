import { DatabaseSync } from 'node:sqlite';

/**
 * Every row of every table of a service's store, events and remembered requests included: two that are equal are one state. How far the
 * relay has come is left out: it sends in its own time what was said before.
 */
export function contentsOf(file: string): Readonly<Record<string, readonly string[]>> {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const tables = db
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'relay_position' ORDER BY name")
      .all();
    return Object.fromEntries(
      tables.map(({ name }) => [
        String(name),
        db
          .prepare(`SELECT * FROM "${String(name)}"`)
          .all()
          .map(row => JSON.stringify(row))
          .sort(),
      ]),
    );
  } finally {
    db.close();
  }
}
