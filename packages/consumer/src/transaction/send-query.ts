import pg from 'pg';

/** What pg reads of a query besides its text and values, though its types don't say so. */
interface QueryInternals {
  name: string | undefined;
  queryMode: 'extended' | undefined;
}

/**
 * Sends one statement without parameters, or one or more without: by the extended protocol, which takes a single
 * statement whatever the text hides, if `values` are given. What pg is told in an object it copies property by
 * property, for every query; this is the way around that.
 */
export function sendQuery(
  client: pg.PoolClient,
  text: string,
  values?: readonly unknown[],
  name?: string,
): Promise<pg.QueryResult> {
  const { promise, resolve, reject } = Promise.withResolvers<pg.QueryResult>();
  const query = new pg.Query(text, values as unknown[], (error, result) => {
    if (error) reject(error);
    else resolve(result);
  });
  if (values !== undefined) Object.assign(query, { name, queryMode: 'extended' } satisfies QueryInternals);
  client.query(query);
  return promise;
}
