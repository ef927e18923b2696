/**
 * What the type of a wrapped function tells: its arguments, also by name, and its result. Its parameters, generics and
 * overloads are kept. Nothing here needs the types of Node or of the DOM.
 */

/** Any function. The second signature is there so that a lambda takes no parameter types from it: `(x: number, y = 2)` keeps `y: number`. */
export type AnyFunction = { (...args: any): any; <_>(...args: any): any };
export type AnyAsyncFunction = { (...args: any): PromiseLike<any>; <_>(...args: any): PromiseLike<any> };
export type Plain = Record<string, any>;
export type IsAny<T> = 0 extends 1 & T ? true : false;
type IsLoose<Args> = string extends keyof Args ? true : false;

declare const kwBrand: unique symbol;
/** Named arguments, made by `kw()`. */
export interface Kw<out Args = Plain> {
  readonly [kwBrand]: Args;
}

/** P where it looks like an options object (no methods: so no array, Date, Map, class instance), else never. */
type ObjectParameter<P> = P extends object
  ? [Extract<P[keyof P], (...args: any) => any>] extends [never]
    ? P
    : never
  : never;
/** The names a keyword call may use. Given Args win; one object parameter is read as destructured; else loose. */
export type KwNames<F extends AnyFunction, Args = Plain> =
  IsLoose<Args> extends false
    ? Partial<Args>
    : Required<Parameters<F>> extends [infer P]
      ? IsAny<P> extends true
        ? Plain
        : [ObjectParameter<P>] extends [never]
          ? Plain
          : Partial<ObjectParameter<P>>
      : Plain;
type Prefixes<P extends readonly unknown[], K> = number extends P["length"]
  ? P extends readonly [infer H, ...infer R]
    ? [kw: K] | [H, ...Prefixes<R, K>]
    : P extends readonly (infer E)[]
      ? [...rest: E[], kw: K]
      : never
  : P extends readonly []
    ? [kw: K]
    : P extends readonly [_?: infer H, ...rest: infer R]
      ? [kw: K] | [H, ...Prefixes<R, K>]
      : never;
export type KwArguments<F extends AnyFunction, Args = Plain> = Prefixes<Parameters<F>, Kw<KwNames<F, Args>>>;

type Overloads<F> = F extends {
  (...a: infer A1): infer _R1;
  (...a: infer A2): infer _R2;
  (...a: infer A3): infer _R3;
  (...a: infer A4): infer _R4;
}
  ? A1 | A2 | A3 | A4
  : never;

/** What a call, or a method that takes a call, accepts. */
export type CallArguments<F extends AnyFunction, Args = Plain> =
  unknown extends ThisParameterType<F>
    ? Overloads<F> | Parameters<F> | KwArguments<F, Args>
    : [use_with_this_first: never];

export type Result<F extends AnyFunction> = Awaited<ReturnType<F>>;
/** T for a sync function, Promise<T> for an async one, both where the type leaves it open. */
export type Like<F extends AnyFunction, T> =
  IsAny<ReturnType<F>> extends true
    ? any
    : [ReturnType<F>] extends [never]
      ? T
      : ReturnType<F> extends infer R
        ? R extends PromiseLike<any>
          ? Promise<T>
          : T
        : never;
