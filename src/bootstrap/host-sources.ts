import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../util/errors.js';
import { type AptSource, parseDeb822Sources, parseOneLineSources } from './apt-sources.js';

/** The sources of apt on this machine, in apt's order; none if it has no apt. */
export function readHostSources(aptDir = '/etc/apt'): AptSource[] {
  const parts = join(aptDir, 'sources.list.d');
  const files = listIfAny(parts).map((name) => join(parts, name));
  return [join(aptDir, 'sources.list'), ...files].flatMap((file) => {
    if (file.endsWith('.list')) return parseOneLineSources(readIfAny(file));
    return file.endsWith('.sources') ? parseDeb822Sources(readIfAny(file)) : [];
  });
}

function listIfAny(dir: string): string[] {
  try {
    return readdirSync(dir).sort();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EACCES')) return [];
    throw error;
  }
}

function readIfAny(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EACCES', 'EISDIR')) return '';
    throw error;
  }
}
