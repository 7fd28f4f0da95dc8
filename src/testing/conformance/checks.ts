import { ATTRIBUTES } from './attributes.js';
import { DATA } from './data.js';
import { DIRECTORIES } from './directories.js';
import { FILES } from './files.js';
import { LINKS } from './links.js';
import { RENAMES } from './renames.js';
import type { Checks } from './scene.js';
import { SPECIALS } from './specials.js';

/** Everything that a file system must do. */
export const CHECKS: Checks = {
  ...FILES,
  ...LINKS,
  ...RENAMES,
  ...DIRECTORIES,
  ...ATTRIBUTES,
  ...DATA,
  ...SPECIALS,
};
