import { z } from 'zod';

/** Left out: no spans are recorded, the trace ids travel all the same. */
export const tracingSettings = z
  .strictObject({
    /** Where a collector takes OTLP over HTTP as JSON, for example `http://127.0.0.1:4318/v1/traces`. */
    otlpUrl: z
      .url({ protocol: /^https?$/ })
      .refine(text => new URL(text).username === '' && new URL(text).password === '', 'must hold no credentials'),
  })
  .optional();
