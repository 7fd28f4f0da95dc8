import type { ServerResponse } from 'node:http';

/** What a faulty registry does to a request. */
export type FaultAct =
  /** Answers with this status and these headers. */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  /** Breaks the connection: before the answer, or after so many bytes of the body. */
  | { readonly kind: 'cut'; readonly afterBytes?: number }
  /** Answers properly, but with another body (`content-length` is the new one's). */
  | { readonly kind: 'body'; readonly change: (body: Buffer) => Buffer; readonly chunked?: boolean }
  /** Waits before it answers properly. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** Sends the head and half of the body, then nothing. */
  | { readonly kind: 'stall' }
  /** Answers properly, with these headers added. */
  | { readonly kind: 'headers'; readonly headers: Record<string, string> }
  /** Ignores the range that was asked for. */
  | { readonly kind: 'no-range' };

/** A fault for the next `times` requests whose `METHOD /path?query` matches. */
export interface Fault {
  readonly on: RegExp;
  readonly times?: number;
  readonly act: FaultAct;
}

/** An answer before it is sent. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** Sends an answer to the request `line`, spoilt as `act` says. */
export function sendAnswer(
  line: string,
  { status, headers, body }: Answer,
  response: ServerResponse,
  act: FaultAct | undefined,
): void {
  const isChunked = act?.kind === 'body' && act.chunked === true;
  response.writeHead(status, {
    ...headers,
    ...(!isChunked && { 'content-length': String(body.length) }),
  });
  if (line.startsWith('HEAD')) {
    response.end();
  } else if (act?.kind === 'cut') {
    response.write(body.subarray(0, act.afterBytes), () => response.destroy());
  } else if (act?.kind === 'stall') {
    response.write(body.subarray(0, body.length >> 1));
  } else {
    response.end(body);
  }
}
