/* The tree of a conversation [N20]: what of its items is shown, and where there are branches. Pure. */

import type { Item } from "./items";

export interface Branch {
    place: number /* from 1 */;
    count: number;
    before: string | null /* a message of the branch before it; null: it is the first, or not stored yet */;
    after: string | null;
}

export interface Path {
    items: readonly Item[] /* from the root down to the current one */;
    branches: ReadonlyMap<string, Branch> /* by key, of those that have siblings */;
}

export const idOf = (item: Item): string | null =>
    item.kind === "assistant" ? (item.message?.id ?? null) : item.id;

/* refOf names an item for those below it. */
export const refOf = (item: Item): string => idOf(item) ?? item.key;

/* pathOf: `current` is an id or a key; what it names is not there: the last. */
export function pathOf(items: readonly Item[], current: string | null): Path {
    const places = new Map<string, number>();
    items.forEach((item, place) => {
        places.set(item.key, place);
        places.set(refOf(item), place);
    });
    const aboves = items.map((item, place) => {
        if (item.above === undefined) return place - 1;
        /* The system prompt is no item: what follows it is a root. */
        return item.above === null ? -1 : (places.get(item.above) ?? -1);
    });
    const children = childrenOf(aboves);
    const path: Item[] = [];
    const branches = new Map<string, Branch>();
    let place = (current === null ? undefined : places.get(current)) ?? items.length - 1;
    while (place >= 0) {
        const item = items[place] as Item;
        const siblings = children.get(aboves[place] as number) ?? [];
        path.push(item);
        if (siblings.length > 1) branches.set(item.key, branchOf(items, siblings, place));
        place = aboves[place] as number;
    }
    return { items: path.reverse(), branches };
}

function childrenOf(aboves: readonly number[]): Map<number, number[]> {
    const children = new Map<number, number[]>();
    aboves.forEach((above, place) => {
        const known = children.get(above);
        if (known) known.push(place);
        else children.set(above, [place]);
    });
    return children;
}

function branchOf(items: readonly Item[], siblings: readonly number[], place: number): Branch {
    const at = siblings.indexOf(place);
    const id = (sibling: number | undefined) => (sibling === undefined ? null : idOf(items[sibling] as Item));
    return {
        place: at + 1,
        count: siblings.length,
        before: id(siblings[at - 1]),
        after: id(siblings[at + 1]),
    };
}
