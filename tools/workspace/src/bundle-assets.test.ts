import { describe, expect, it } from '@jest/globals';
import { rewriteReferences } from './bundle-assets.ts';

describe('a reference to a file beside the source', () => {
  it('keeps its path below the bundle, and what lies in a project is an asset', () => {
    const { source, assets } = rewriteReferences(
      'libs/store/src/a.ts',
      "read(new URL('../migrations/', import.meta.url)); new URL('../../../.holdfast/state/', import.meta.url);",
    );
    expect(source).toBe(
      "read(new URL('./libs/store/migrations/', import.meta.url)); new URL('./.holdfast/state/', import.meta.url);",
    );
    expect(assets).toEqual(['libs/store/migrations/']);
  });

  it('is left as it is where packages are asked for', () => {
    const source = "const load = createRequire(import.meta.url); load('kafkajs/src/broker');";
    expect(rewriteReferences('libs/messaging/src/a.ts', source)).toEqual({ source, assets: [] });
  });

  it('is refused in a form that would point elsewhere from a bundle', () => {
    expect(() => rewriteReferences('apps/a/src/a.ts', 'join(import.meta.dirname, "x")')).toThrow('apps/a/src/a.ts');
    expect(() => rewriteReferences('apps/a/src/a.ts', "new URL('../../../../x', import.meta.url)")).toThrow('outside');
  });
});
