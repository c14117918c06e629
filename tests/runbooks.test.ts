import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { runCli } from '../packages/cli/src/run-cli.ts';

const root = join(import.meta.dirname, '..');
const pages = globSync('docs/runbooks/*.md', { cwd: root });

/** The commands that a page names, without their arguments. */
function commandsOf(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8');
  const named = [...text.matchAll(/`bus ([^`]+)`/g)].map(([, words = '']) =>
    words
      .split(/\s+/)
      .filter((word) => /^[a-z]+$/.test(word))
      .slice(0, ['outbox', 'dlq'].includes(words.split(/\s/)[0] ?? '') ? 2 : 1)
      .join(' '),
  );
  return [...new Set(named)];
}

const all = [...new Set(pages.flatMap(commandsOf))];

beforeEach(() => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});

afterEach(() => {
  vi.restoreAllMocks();
});

test('there are runbooks, and they name commands', () => {
  expect(pages.length).toBeGreaterThan(20);
  expect(all).toContain('outbox status');
});

test.each(all)('bus %s, which a runbook names, is a command', async (command) => {
  expect(await runCli([...command.split(' '), '--help'])).toBe(0);
});
