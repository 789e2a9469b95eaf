import { z } from 'zod';

/** Where the service keeps its state; left out: a file of the state folder. */
export const storeSettings = z
  .strictObject({
    sqlServer: z
      .strictObject({
        /** Host name or address alone. */
        server: z
          .string()
          .regex(/^[^\s\\,;/]+$/, 'must be a host name or address; port and instance name have keys of their own'),
        port: z.coerce.number().int().min(1).max(65_535).optional(),
        instanceName: z.string().min(1).optional(),
        /** Made by an administrator, for this service alone. */
        database: z.string().min(1).max(128),
        /** References, like the signing key: a SQL login, or a Windows account as DOMAIN\account. */
        username: z.string().min(1),
        password: z.string().min(1),
        encrypt: z.stringbool().or(z.boolean()).default(true),
        trustServerCertificate: z.stringbool().or(z.boolean()).default(false),
      })
      // The driver silently drops the port when an instance name is given (sqlserver.md §8.6).
      .refine(({ port, instanceName }) => port === undefined || instanceName === undefined, {
        message: 'port and instanceName exclude each other',
        path: ['port'],
      }),
  })
  .optional();

export type StoreSettings = NonNullable<z.output<typeof storeSettings>>;
