import { UserError } from '../util/errors.js';

/** What went wrong before a command could start; `code` is an errno name, or empty. */
export interface SandboxFailure {
  /** A verb phrase: `mount "/proc"`. */
  readonly step: string;
  readonly code: string;
  readonly message: string;
}

/** The user's view of a failure to set a sandbox up. */
export function sandboxError(failure: SandboxFailure): UserError {
  const { step, message } = failure;
  return new UserError('TSB_SANDBOX', `Cannot ${step} for a command: ${message}`, {
    hint: hintOf(failure),
  });
}

function hintOf({ step, code }: SandboxFailure): string {
  if (step === 'mount "/proc"' && code === 'EPERM') {
    return (
      'This container masks parts of /proc, so that no new one can be mounted: start it with ' +
      '--security-opt systempaths=unconfined, or --privileged'
    );
  }
  if (step.startsWith('become user') && code === 'EINVAL') {
    return (
      'The id has no place in the user namespace: give yourself more subordinate ids, ' +
      'usermod --add-subuids FIRST-LAST --add-subgids FIRST-LAST USER'
    );
  }
  if (step === 'set the limits' && code === 'EPERM') {
    return 'A hard limit cannot grow here: give a lower --ulimit, or raise it for your user first';
  }
  if (/^mount a (bind|tmpfs|secret) on /.test(step)) return hintOfMount(code);
  if (step.startsWith('enter working directory')) {
    return 'The image lacks the directory: WORKDIR makes it';
  }
  return 'tsbuild doctor';
}

function hintOfMount(code: string): string {
  switch (code) {
    case 'ENOTDIR':
      return 'A file is mounted on a file, a directory on a directory: look at what the image has';
    case 'EROFS':
      return 'It lies in a read-only mount that lacks it: mount that one with rw';
    case 'ENOENT':
      return 'Its source, or its place inside another mount, is missing';
    case 'EINVAL':
      return 'uid and gid must have a place in the user namespace: tsbuild doctor';
    default:
      return 'tsbuild doctor';
  }
}
