/* Rules of FROM: names of stages, images and platforms. */
import type { Buildfile, FromInstruction, Stage } from '../dockerfile/ast.js';
import { expandPart } from '../dockerfile/expand.js';
import { parsePlatform, formatPlatform, type Platform } from '../oci/platform.js';
import { parseReference } from '../oci/reference.js';
import { suggest } from '../util/suggest.js';
import { attempt, type FromScope, ownValue } from './global-scope.js';
import type { LintReport } from './report.js';
import type { BaseImage } from './stage-values.js';

const RESERVED_NAMES: readonly string[] = ['scratch', 'context'];

export function checkStageNames({ stages }: Buildfile, report: LintReport): void {
  const seen = new Map<string, number>();
  for (const { from, name } of stages) {
    if (name === undefined) continue;
    const part = { text: name, last: true };
    if (RESERVED_NAMES.includes(name)) {
      report.add(from, {
        rule: 'ReservedStageName',
        message: `Stage name "${name}" has a meaning of its own`,
        hint: 'Give the stage another name',
        part,
      });
    }
    const line = seen.get(name);
    if (line !== undefined) {
      report.add(from, {
        rule: 'DuplicateStageName',
        message: `Stage name "${name}" is that of the stage at line ${line}`,
        hint: 'Give the stage another name',
        part,
      });
    }
    seen.set(name, from.source.startLine);
  }
}

/** The image that FROM names without any build argument. */
export function checkDefaultImage(
  from: FromInstruction,
  scope: FromScope,
  report: LintReport,
): void {
  const image = attempt(() =>
    expandPart(from, from.image, (name) => ownValue(scope.defaults, name), scope.escape),
  );
  if (image !== undefined && attempt(() => parseReference(image)) !== undefined) return;
  report.add(from, {
    rule: 'InvalidDefaultArgInFrom',
    message: `FROM ${from.image} names no image where no build argument is given`,
    hint: 'Give the ARG a default that makes it the name of an image',
    part: { text: from.image },
  });
}

export function checkFromVariables(
  from: FromInstruction,
  scope: FromScope,
  report: LintReport,
): void {
  for (const text of [from.image, from.platform]) {
    if (text === undefined) continue;
    const { unset } = expandWith(from, text, scope);
    for (const name of unset) {
      if (scope.declared.has(name)) continue;
      const near = suggest(name, scope.declared);
      report.add(from, {
        rule: 'UndefinedArgInFrom',
        message: `FROM has the variable "${name}", which no ARG above the first FROM declares`,
        hint: near === undefined ? `Write ARG ${name}=DEFAULT above FROM` : `Did you mean ${near}?`,
        part: { text: name },
      });
    }
  }
}

export function checkPlatform(from: FromInstruction, scope: FromScope, report: LintReport): void {
  const { platform } = from;
  if (platform === undefined) return;
  const { text, set, unset } = expandWith(from, platform, scope);
  if (text === undefined) return;
  const part = { text: `--platform=${platform}` };
  if (set.length === 1 && unset.length === 0 && set[0] === 'TARGETPLATFORM') {
    if (text !== scope.values['TARGETPLATFORM']) return;
    report.add(from, {
      rule: 'RedundantTargetPlatform',
      message: `FROM has --platform=${platform}, which it has without the flag`,
      hint: 'Remove the flag',
      part,
    });
  }
  if (set.length > 0 || unset.length > 0) return;
  const parsed = attempt(() => parsePlatform(text));
  const name = from.name ?? '';
  if (parsed === undefined || name.includes(parsed.os) || name.includes(parsed.architecture)) {
    return;
  }
  report.add(from, {
    rule: 'FromPlatformFlagConstDisallowed',
    message: `FROM is bound to the platform "${text}"`,
    hint: `Use $BUILDPLATFORM, or name the stage for it: AS ${parsed.architecture}`,
    part,
  });
}

/** The platform of a base image against the one that the stage wants. */
export function checkBasePlatform(
  { from }: Stage,
  { base, scope }: { base: BaseImage | undefined; scope: FromScope },
  report: LintReport,
): void {
  const target = scope.values['TARGETPLATFORM'];
  const written =
    from.platform === undefined ? target : expandWith(from, from.platform, scope).text;
  const want = attempt(() => (written === undefined ? undefined : parsePlatform(written)));
  const found: Platform | undefined = base?.platform;
  if (want === undefined || found === undefined) return;
  if (want.os === found.os && want.architecture === found.architecture) return;
  report.add(from, {
    rule: 'InvalidBaseImagePlatform',
    message: `Base image "${from.image}" is of ${formatPlatform(found)}, want ${formatPlatform(want)}`,
    hint: `Pull the image for ${formatPlatform(want)}, or build for ${formatPlatform(found)}`,
    part: { text: from.image },
  });
}

function expandWith(
  from: FromInstruction,
  text: string,
  scope: FromScope,
): { text: string | undefined; set: string[]; unset: string[] } {
  const [set, unset] = [new Set<string>(), new Set<string>()];
  const expanded = attempt(() =>
    expandPart(
      from,
      text,
      (name) => {
        const value = ownValue(scope.values, name);
        (value === undefined ? unset : set).add(name);
        return value;
      },
      scope.escape,
    ),
  );
  return { text: expanded, set: [...set], unset: [...unset] };
}
