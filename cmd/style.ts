import { WriteStream } from 'node:tty';

/** Marks up text for a terminal; gives it back unchanged where there is none. */
export interface Style {
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly cyan: Paint;
  readonly bold: Paint;
  readonly dim: Paint;
}

type Paint = (text: string) => string;

const paint =
  (code: number, end: number): Paint =>
  (text) =>
    text === '' ? '' : `\x1b[${code}m${text}\x1b[${end}m`;

/** With the escape sequences of ECMA-48. */
export const COLOURED: Style = {
  red: paint(31, 39),
  green: paint(32, 39),
  yellow: paint(33, 39),
  cyan: paint(36, 39),
  bold: paint(1, 22),
  dim: paint(2, 22),
};

const same: Paint = (text) => text;
/** No colours at all. */
export const PLAIN: Style = {
  red: same,
  green: same,
  yellow: same,
  cyan: same,
  bold: same,
  dim: same,
};

/** Colours if `stream` is a terminal that wants them (https://no-color.org). */
export function styleFor(stream: NodeJS.WritableStream, env: NodeJS.ProcessEnv): Style {
  const isWanted = !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  return isWanted && stream instanceof WriteStream ? COLOURED : PLAIN;
}
