import type { SecretForm } from './patterns.js';

/** Where in a layer a secret is. */
export type FindingPlace =
  | { readonly kind: 'content' }
  | { readonly kind: 'name' }
  | { readonly kind: 'target' }
  | { readonly kind: 'xattr'; readonly name: string };

/** A secret in a layer; none of its bytes are in here. */
export interface Finding {
  readonly id: string;
  readonly form: SecretForm;
  /** Absolute, for people; where the secret is a part of it, `***` stands for that. */
  readonly path: string;
  readonly place: FindingPlace;
}

/** Findings that are kept of each secret. */
export const FINDINGS_MAX = 20;

/** Collects findings: each place once, and not all of a secret that is everywhere. */
export class Findings {
  readonly #byId = new Map<string, Map<string, Finding>>();

  add(finding: Finding): void {
    const { id, path, place } = finding;
    const known = this.#byId.get(id) ?? new Map<string, Finding>();
    this.#byId.set(id, known);
    const key = JSON.stringify([path, place]);
    if (known.size < FINDINGS_MAX && !known.has(key)) known.set(key, finding);
  }

  list(): Finding[] {
    return [...this.#byId.values()].flatMap((known) => [...known.values()]);
  }
}
