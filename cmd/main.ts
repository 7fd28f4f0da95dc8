#!/usr/bin/env node
import { COMPLETE_WORD } from './commands/completion.js';
import { versionText } from './version.js';

// A reader that has gone (`tsbuild images | head -1`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const argv = process.argv.slice(2);
if (argv.length === 1 && argv[0] === '--version') {
  process.stdout.write(`${versionText()}\n`);
} else if (argv[0] === COMPLETE_WORD) {
  const { complete } = await import('./complete.js');
  const { COMMANDS } = await import('./commands.js');
  for (const line of complete(argv.slice(1), COMMANDS)) process.stdout.write(`${line}\n`);
} else {
  const { runCli } = await import('./cli.js');
  process.exit(await runCli(argv));
}
