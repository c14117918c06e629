/** What a command reports with `--json`, behind lines about its progress, which are there if it takes long. */
export const reportIn = (output: string): unknown => JSON.parse(output.slice(output.indexOf('{\n')));
