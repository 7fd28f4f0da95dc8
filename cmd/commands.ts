import type { Command } from './command.js';
import { completionCommand } from './commands/completion.js';
import { versionCommand } from './commands/version.js';

/** All subcommands, in the order of the help. */
export const COMMANDS: readonly Command[] = [versionCommand, completionCommand];
