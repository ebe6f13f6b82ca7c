// For `tsc --noEmit` only: the vendored modules bring no types of their own here.
declare module "preact";
declare module "preact/hooks" {
  export function useState<S>(initial: S | (() => S)): [S, (next: S) => void];
  export function useRef<T>(initial: T): { current: T };
  export function useMemo<T>(make: () => T, inputs: unknown[]): T;
  export function useEffect(run: () => void | (() => void), inputs?: unknown[]): void;
  export function useLayoutEffect(run: () => void | (() => void), inputs?: unknown[]): void;
}
declare module "htm";
declare module "marked" {
  export class Marked {
    constructor(options: object);
    use(extension: { renderer?: Record<string, (token: any) => string>; extensions?: object[] }): void;
    parse(text: string): string | Promise<string>;
    lexer(text: string): { type: string; raw: string }[];
  }
}
declare module "dompurify" {
  interface Purify {
    addHook(name: "uponSanitizeAttribute", run: (node: Element, attribute: { attrName: string; attrValue: string; keepAttr: boolean }) => void): void;
    addHook(name: "afterSanitizeAttributes", run: (node: Element) => void): void;
    setConfig(options: object): void;
    sanitize(html: string): string;
  }
  export default function make(window: Window): Purify;
}
declare module "@preact/signals" {
  export interface Signal<T> { value: T; peek(): T }
  export interface ReadonlySignal<T> { readonly value: T }
  export function signal<T>(value: T): Signal<T>;
  export function computed<T>(read: () => T): ReadonlySignal<T>;
  export function effect(run: () => void | (() => void)): () => void;
  export function batch<T>(run: () => T): T;
  export function untracked<T>(run: () => T): T;
}
