import type { Command } from './command.js';
import { bootstrapCommand } from './commands/bootstrap.js';
import { buildCommand } from './commands/build.js';
import { completionCommand } from './commands/completion.js';
import { doctorCommand } from './commands/doctor.js';
import { imagesCommand } from './commands/images.js';
import { inspectCommand } from './commands/inspect.js';
import { mountCommand } from './commands/mount.js';
import { pullCommand } from './commands/pull.js';
import { pruneCommand } from './commands/prune.js';
import { pushCommand } from './commands/push.js';
import { rmiCommand } from './commands/rmi.js';
import { runCommandCommand } from './commands/run.js';
import { tagCommand } from './commands/tag.js';
import { unpackCommand } from './commands/unpack.js';
import { versionCommand } from './commands/version.js';

/** All subcommands, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  buildCommand,
  bootstrapCommand,
  pullCommand,
  pushCommand,
  imagesCommand,
  inspectCommand,
  tagCommand,
  rmiCommand,
  pruneCommand,
  unpackCommand,
  mountCommand,
  runCommandCommand,
  doctorCommand,
  versionCommand,
  completionCommand,
];
