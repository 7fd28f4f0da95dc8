// npm run build: compiles into dist, without leftovers of removed sources.
import { ensureBuilt } from './lib/project.js';

ensureBuilt();
