import type { Announcement } from '../announcement.ts';

export const services = ['inventory', 'backup', 'shipping', 'restore'] as const;

export type ServiceName = (typeof services)[number];
export type MemberName = ServiceName | 'gateway';

/** What `apps/all-in-one/src/prepare` made in the data folder and says of it; the configuration's own values where it has some. */
export type Prepared = {
  readonly sections: Readonly<Record<MemberName, { readonly signingKey: string; readonly stateFolder?: string }>>;
  /** Undefined: the configuration names an identity provider. */
  readonly auth?: { readonly issuer: string; readonly audience: string; readonly publicKeyFile: string };
  readonly token?: string;
};

/** @throws Error when it says nothing of the kind. */
export function preparedOf(announcement: Announcement): Prepared {
  if (typeof announcement['sections'] !== 'object')
    throw new Error('The data folder could not be prepared: no keys were announced.');
  return announcement as unknown as Prepared;
}

export type Addresses = { readonly ports: ReadonlyMap<MemberName, number>; readonly brokers: string };

/** One member's settings, as its environment names them. */
export function settingsOf(name: MemberName, prepared: Prepared, addresses: Addresses): Record<string, string> {
  const { ports, brokers } = addresses;
  const { signingKey, stateFolder } = prepared.sections[name];
  const settings: Record<string, string> = { HTTP__PORT: String(portOf(ports, name)), SIGNING_KEY: signingKey };
  if (name === 'gateway') Object.assign(settings, gatewaySettings(prepared, ports));
  else Object.assign(settings, { KAFKA__BROKERS: brokers, ...(stateFolder && { STATE_FOLDER: stateFolder }) });
  const section = `HOLDFAST_${name.toUpperCase()}__`;
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [section + key, value]));
}

function gatewaySettings({ auth }: Prepared, ports: ReadonlyMap<MemberName, number>): Record<string, string> {
  const subgraphs = services.map(name => [
    `SUBGRAPHS__${name.toUpperCase()}`,
    `http://127.0.0.1:${portOf(ports, name)}/graphql`,
  ]);
  const own =
    auth === undefined
      ? {}
      : { AUTH__ISSUER: auth.issuer, AUTH__AUDIENCE: auth.audience, AUTH__PUBLIC_KEY_FILE: auth.publicKeyFile };
  return { ...(Object.fromEntries(subgraphs) as Record<string, string>), ...own };
}

export function portOf(ports: ReadonlyMap<MemberName, number>, name: MemberName): number {
  const port = ports.get(name);
  if (port === undefined) throw new Error(`${name} has no port.`);
  return port;
}
