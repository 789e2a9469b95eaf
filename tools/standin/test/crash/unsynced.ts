/**
 * What a power cut after these places could still take away: files written and not synced, files new in their folder or renamed without a sync of
 * the folder. A file may be renamed only when its content is synced.
 */
export function unsynced(places: readonly string[]): readonly string[] {
  const open = new Set<string>();
  let folder = false;
  const early: string[] = [];
  for (const place of places) {
    const [step, name] = split(place);
    if (step === 'half' || step === 'write' || step === 'truncate' || step === 'create') open.add(name);
    if (step === 'create' && !name.endsWith('.new')) folder = true;
    if (step === 'sync' && name.startsWith('folder ')) folder = false;
    else if (step === 'sync') open.delete(name);
    if (step === 'rename') {
      folder = true;
      if (open.has(`${name}.new`)) early.push(`${name} was renamed before it was synced`);
    }
  }
  return [...early, ...[...open].map(name => `${name} is not synced`), ...(folder ? ['a folder is not synced'] : [])];
}

function split(place: string): readonly [string, string] {
  const at = place.indexOf(' ');
  return [place.slice(0, at), place.slice(at + 1)];
}
