/** How to reach an instance; the shape that travels in the event `instance.addressed` (references, never credentials). */
export type Address = {
  readonly server: string;
  /** Exactly one of port and instanceName may be set; neither: port 1433. */
  readonly port: number | null;
  readonly instanceName: string | null;
  readonly encrypt: boolean;
  readonly trustServerCertificate: boolean;
};

/** Resolved from their references by the caller; kept in memory only. `user`: a SQL login, or a Windows account as `DOMAIN\account`. */
export type Credentials = { readonly user: string; readonly password: string };

export type AddressProblem = {
  readonly refused: 'WindowsAccountMalformed' | 'PortAndInstanceName' | 'ServerNameNotPlain' | 'InvalidPort';
  readonly message: string;
  readonly fix: string;
};

/**
 * The parts of a Windows account, which logs in by NTLMv2 with its password; undefined for a SQL login. Neither Kerberos nor the identity of
 * this process: the driver knows none (sqlserver.md §8.6).
 */
export const windowsAccount = (user: string): { readonly domain: string; readonly account: string } | undefined => {
  const [, domain, account] = /^([^\\/@\s]+)\\([^\\/@]+)$/.exec(user) ?? [];
  return domain === undefined || account === undefined ? undefined : { domain, account };
};

/** What is wrong with an address before anything is connected, or undefined. */
export const addressProblem = (address: Address, user: string): AddressProblem | undefined => {
  if (user.includes('\\') && windowsAccount(user) === undefined)
    return {
      refused: 'WindowsAccountMalformed',
      message: `The user ${JSON.stringify(user)} is neither a SQL login nor a Windows account.`,
      fix: 'Write a Windows account as DOMAIN\\account.',
    };
  // The driver silently drops the port when an instance name is given (sqlserver.md §8.6).
  if (address.port !== null && address.instanceName !== null)
    return {
      refused: 'PortAndInstanceName',
      message: 'Port and instance name are both given; only one of them can decide where to connect.',
      fix: 'Give the port, and leave the instance name out.',
    };
  if (!/^[^\s\\,;:/]+$/.test(address.server) && !isIpv6(address.server))
    return {
      refused: 'ServerNameNotPlain',
      message: `${JSON.stringify(address.server)} is not a plain host name or address.`,
      fix: 'Give host, port and instance name in their own fields.',
    };
  if (address.port !== null && !(Number.isInteger(address.port) && address.port >= 1 && address.port <= 65_535))
    return {
      refused: 'InvalidPort',
      message: `${address.port} is not a TCP port.`,
      fix: 'Give a port from 1 to 65535.',
    };
  return undefined;
};

const isIpv6 = (server: string): boolean => /^[0-9a-f:]+$/i.test(server) && server.includes('::');

/** `host`, `host:port` or `host\INSTANCE`, for messages. */
export const renderAddress = ({ server, port, instanceName }: Address): string => {
  if (instanceName !== null) return `${server}\\${instanceName}`;
  return port === null ? server : `${server}:${port}`;
};
