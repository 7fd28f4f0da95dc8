import { readFileSync } from 'node:fs';

/** The version in package.json, which lies above `dist/cmd` in a checkout and in the package. */
export function versionText(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
