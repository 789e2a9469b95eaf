import { exportSPKI, generateKeyPair, SignJWT } from 'jose';

export type Answer = {
  readonly status: number;
  readonly data?: Record<string, unknown> | null;
  readonly errors?: readonly {
    readonly message: string;
    readonly path?: readonly (string | number)[];
    readonly extensions?: Record<string, unknown>;
  }[];
};

export async function ask(
  url: string,
  token: string | undefined,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<Answer> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      connection: 'close',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query, variables }),
  });
  return { ...((await response.json()) as Omit<Answer, 'status'>), status: response.status };
}

/** The first event of a subscription, over Server-Sent Events; undefined when it ended without one. */
export async function firstEvent(url: string, token: string | undefined, query: string): Promise<Answer | undefined> {
  const ending = new AbortController();
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      connection: 'close',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query }),
    signal: ending.signal,
  });
  const { status } = response;
  if (response.headers.get('content-type')?.startsWith('application/json') === true)
    return { ...((await response.json()) as Omit<Answer, 'status'>), status };
  let text = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    const data = /^event: next\ndata: (.*)$/m.exec(text)?.[1];
    if (data === undefined) continue;
    ending.abort();
    return { ...(JSON.parse(data) as Omit<Answer, 'status'>), status };
  }
  return undefined;
}

export const issuer = 'https://issuer.test';
export const audience = 'holdfast';

/** An identity provider: its public key for the gateway, tokens for callers. */
export async function identityProvider() {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  return {
    publicKeyPem: await exportSPKI(publicKey),
    token: (roles: readonly string[], groups: readonly string[] = ['*']) =>
      new SignJWT({ holdfast: { roles, groups } })
        .setProtectedHeader({ alg: 'ES256' })
        .setSubject('system-test')
        .setIssuer(issuer)
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(privateKey),
  };
}
