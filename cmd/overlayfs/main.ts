#!/usr/bin/env node
import { EXIT } from '../../src/util/error-codes.js';
import { printError } from '../print-error.js';
import { escapeControls } from '../progress/text.js';
import { versionText } from '../version.js';
import { parseArguments } from './arguments.js';
import { helpText } from './help.js';

const warn = (line: string): void =>
  void process.stderr.write(`tsbuild-overlayfs: ${escapeControls(line)}\n`);

async function run(argv: readonly string[]): Promise<number> {
  const request = parseArguments(argv, process.getuid?.() === 0);
  switch (request.kind) {
    case 'help':
      process.stdout.write(helpText());
      return EXIT.ok;
    case 'version':
      process.stdout.write(`tsbuild-overlayfs ${versionText()}\n`);
      return EXIT.ok;
    case 'wait': {
      const { waitForUpper } = await import('../../src/upperdir/wait.js');
      const onWait = (): void => warn(`Waiting for the mount of ${request.upperdir} to end`);
      const onUnused = (): void =>
        warn(`No mount uses ${request.upperdir}: all have ended, or there was none`);
      const { signal } = new AbortController();
      await waitForUpper(request.upperdir, { signal, onWait, onUnused });
      return EXIT.ok;
    }
    case 'mount': {
      for (const warning of request.warnings) warn(warning);
      const { DEBUG_LOG, mountOf, serveHere } = await import('./serve.js');
      const mount = mountOf(request.settings, request.mountpoint);
      if (request.isForeground) {
        const debug = request.settings.isDebug ? { log: DEBUG_LOG } : {};
        await serveHere(mount, { onReady: () => undefined, warn, ...debug });
        return EXIT.ok;
      }
      const { startDaemon } = await import('./daemon.js');
      await startDaemon(mount, warn);
      return EXIT.ok;
    }
  }
}

try {
  process.exit(await run(process.argv.slice(2)));
} catch (error) {
  process.exit(printError(error, { isVerbose: false, sources: new Map() }));
}
