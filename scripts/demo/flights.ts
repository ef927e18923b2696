import { mean } from "./statistics.js";

/** The flights of one airport; in the large file, which knows no airports, of one range of distances. */
export interface Group {
  readonly name: string;
  /** Of each flight, in minutes; below 0 it was early. */
  readonly delays: Int16Array;
  /** Of each flight, the hour of its departure: 0 to 23. */
  readonly hours: Uint8Array;
}

/** A line of `flights-20k.json`, or of `flights-200k.json`. */
type Flight =
  | { readonly delay: number; readonly origin: string; readonly date: string }
  | { readonly delay: number; readonly distance: number; readonly time: number };

/** The groups of the flights, the largest first. */
export function groupFlights(flights: readonly Flight[]): Group[] {
  const groups = new Map<string, Flight[]>();
  for (const flight of flights) {
    const name = groupOf(flight);
    const group = groups.get(name);
    if (group) group.push(flight);
    else groups.set(name, [flight]);
  }
  return [...groups]
    .map(([name, members]) => ({
      name,
      delays: Int16Array.from(members, ({ delay }) => delay),
      hours: Uint8Array.from(members, hourOf),
    }))
    .sort((a, b) => b.delays.length - a.delays.length);
}

function groupOf(flight: Flight): string {
  if ("origin" in flight) return flight.origin;
  const from = Math.floor(flight.distance / 100) * 100;
  return `${from}-${from + 99} mi`;
}

/** The date is written `2001/01/01 00:47`, the time in hours: 23.5. */
function hourOf(flight: Flight): number {
  return "date" in flight ? Number(flight.date.slice(11, 13)) : Math.floor(flight.time);
}

const firstHour = 6;
const lastHour = 22;
/** The official definition, in minutes. */
const late = 15;

/**
 * The share of flights that are late, for each hour from 6 to 22. Smoothed over the hours around it, because in one hour
 * few flights leave an airport.
 */
export function delayProfile({ delays, hours }: Group): number[] {
  const flights = new Array<number>(24).fill(0);
  const lateFlights = new Array<number>(24).fill(0);
  for (const [i, hour] of hours.entries()) {
    flights[hour]!++;
    if (delays[i]! >= late) lateFlights[hour]!++;
  }
  const profile: number[] = [];
  for (let hour = firstHour; hour <= lastHour; hour++) profile.push(around(hour, lateFlights) / around(hour, flights));
  return profile;
}

/** The counts of all hours, with weights that fall off with the distance from one of them. */
function around(hour: number, counts: readonly number[]): number {
  return counts.reduce((sum, count, other) => sum + count * Math.exp(-(((other - hour) / 2) ** 2)), 0);
}

export function meanProfile(profiles: readonly (readonly number[])[]): number[] {
  return profiles[0]!.map((_, hour) => mean(profiles.map((profile) => profile[hour]!)));
}
