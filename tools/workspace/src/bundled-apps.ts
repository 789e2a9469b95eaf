/** Every app that runs as a process of its own. Kept apart from the bundler: the bundler's library does not load under Jest. */
export const bundledApps = ['gateway', 'inventory', 'backup', 'shipping', 'restore', 'all-in-one'] as const;

export type BundledApp = (typeof bundledApps)[number];
