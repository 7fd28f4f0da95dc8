/** Paths that a sentence names; more are counted. */
const PATHS_SHOWN_MAX = 5;

/** What could not be made as it should be: by kind, with the paths. */
export class MetadataLosses {
  readonly #paths = new Map<string, string[]>();

  add(what: string, path: string): void {
    const paths = this.#paths.get(what);
    if (paths === undefined) this.#paths.set(what, [path]);
    else paths.push(path);
  }

  /** One sentence per kind. */
  report(): string[] {
    return [...this.#paths].map(([what, paths]) => {
      const shown = paths.slice(0, PATHS_SHOWN_MAX).join(', ');
      const more = paths.length - PATHS_SHOWN_MAX;
      return `${what}: ${shown}${more > 0 ? ` and ${more} more` : ''}`;
    });
  }
}
