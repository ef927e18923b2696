import { OptionError, SignatureError } from "../errors.js";
import type { Element, Parameter, Signature } from "./parse.js";
import { mentions } from "./scope.js";

/** A parameter that is a sequence, of which a batch passes only the missing elements. */
export interface ParallelParameter {
  readonly name: string;
  /** Among the names of the signature. */
  readonly index: number;
  /** Among the arguments that the function receives. */
  readonly position: number;
  /** Of the object or array at that position, where the parameter stands in a pattern. */
  readonly property: string | number | undefined;
}

/**
 * The parameters that the option `parallel` names.
 * @throws OptionError where one is no parameter that takes a value
 * @throws SignatureError where a default refers to one: it would be given some of the elements only
 */
export function parallelParameters(
  subject: string,
  signature: Signature,
  names: readonly string[],
): readonly ParallelParameter[] {
  const shown = `${signature.name}${signature.text}`;
  const places = signature.parameters.flatMap(placesOf);
  const found = names.map((name) => {
    const place = places.find(({ element }) => element.key === name && typeof element.target === "string");
    if (place) return place;
    throw new OptionError(`${subject}: parallel: "${name}" is not a parameter of ${shown} that takes one sequence.`);
  });
  const locals = new Set(found.map(({ element }) => element.target as string));
  for (const { key, fallback } of signature.parameters.flatMap(elementsOf)) {
    if (!fallback || !mentions(fallback.node, locals)) continue;
    throw new SignatureError(
      `${subject}: ${shown}: the default of ${key === "" ? "a pattern" : `"${key}"`}, ${fallback.text}, refers to a parallel parameter, of which the function receives only the missing elements. Compute it inside of the function, or pass it.`,
    );
  }
  return found.map(({ element: { key }, position, property }) => {
    return { name: key, index: signature.names.indexOf(key), position, property };
  });
}

/** Where an element with a name of its own is passed. */
interface Place extends Pick<ParallelParameter, "position" | "property"> {
  readonly element: Element;
}

function placesOf(parameter: Parameter, position: number): Place[] {
  if (parameter.rest) return [];
  if (typeof parameter.target === "string") return [{ element: parameter, position, property: undefined }];
  const { kind, elements } = parameter.target;
  return elements.flatMap((element, i) =>
    element === undefined ? [] : [{ element, position, property: kind === "object" ? element.key : i }],
  );
}

function elementsOf(element: Element): Element[] {
  if (typeof element.target === "string") return [element];
  return [element, ...element.target.elements.flatMap((inner) => (inner === undefined ? [] : elementsOf(inner)))];
}
