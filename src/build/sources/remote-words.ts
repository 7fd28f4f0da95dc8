import type { AddInstruction, CopyInstruction } from '../../dockerfile/ast.js';
import type { Checksum } from '../../remote/checksum.js';
import { parseChecksum } from '../../remote/checksum.js';
import type { GitUrl } from '../../remote/git-url.js';
import { findGitUrl } from '../../remote/git-url.js';
import type { HttpUrl } from '../../remote/http-url.js';
import { findScheme, parseHttpUrl } from '../../remote/http-url.js';
import { UserError } from '../../util/errors.js';
import { redactUrls } from '../../util/redact.js';

/** A source word of ADD that is fetched. */
export type RemoteWord =
  | { readonly kind: 'git'; readonly url: GitUrl; readonly keepGitDir: boolean }
  | { readonly kind: 'http'; readonly target: HttpUrl; readonly checksum: Checksum | undefined };

/**
 * What a source word of COPY or ADD names beyond the context; undefined: it is a path. Throws a
 * UserError for URLs that the instruction cannot have, and flags that do not fit.
 */
export function findRemoteWord(
  instruction: AddInstruction | CopyInstruction,
  word: string,
): RemoteWord | undefined {
  const git = findGitUrl(word);
  const scheme = findScheme(word);
  if (git === undefined && scheme === undefined) {
    assertNoChecksum(instruction, word);
    return undefined;
  }
  if (instruction.kind === 'copy') {
    throw new UserError('TSB_COPY', `Cannot COPY "${redactUrls(word)}": it is a URL, want a path`, {
      hint: 'Write ADD in the place of COPY',
    });
  }
  const { checksum } = instruction;
  if (checksum !== undefined && instruction.sources.length > 1) {
    throw new UserError(
      'TSB_COPY',
      `Cannot use --checksum: found ${instruction.sources.length} sources, want one`,
      { hint: 'Write an ADD for each of them' },
    );
  }
  if (git === undefined) {
    const target = parseHttpUrl(word);
    const parsed = checksum === undefined ? undefined : parseChecksum(checksum);
    return { kind: 'http', target, checksum: parsed };
  }
  return {
    kind: 'git',
    url: withChecksum(git, checksum),
    keepGitDir: agreed(instruction.keepGitDir, git.keepGitDir),
  };
}

function assertNoChecksum(instruction: AddInstruction | CopyInstruction, word: string): void {
  if (instruction.kind === 'copy' || instruction.checksum === undefined) return;
  throw new UserError('TSB_COPY', `Cannot use --checksum with "${word}": want a URL`, {
    hint: 'Of files of the build context nobody else can change the content',
  });
}

function withChecksum(url: GitUrl, checksum: string | undefined): GitUrl {
  if (checksum === undefined) return url;
  const lower = checksum.toLowerCase();
  if (!/^[0-9a-f]{1,64}$/.test(lower)) {
    throw new UserError('TSB_PARSE', `Cannot use --checksum=${checksum}: it is no commit`, {
      hint: 'Of a git repository, write the hexadecimal digits of the commit',
    });
  }
  if (url.checksum !== undefined && url.checksum !== lower) {
    const found = `found ${checksum} and ${url.checksum} in the URL`;
    throw new UserError('TSB_COPY', `Cannot use --checksum: ${found}, want one`);
  }
  return { ...url, checksum: lower };
}

function agreed(flag: boolean | undefined, query: boolean | undefined): boolean {
  if (flag !== undefined && query !== undefined && flag !== query) {
    throw new UserError('TSB_COPY', 'Cannot use --keep-git-dir: the URL says the opposite', {
      hint: 'Write it in one place',
    });
  }
  return flag ?? query ?? false;
}
