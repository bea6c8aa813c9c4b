/* takeOnce is the code of an address that signs in once (`/#once=CODE` [W46]), taken out of the address: it is of no use a second time, and
 * nobody shall find it in the history. */
export function takeOnce(): string | null {
    const code = /^#once=([0-9a-f]{64})$/.exec(location.hash)?.[1];
    if (code === undefined) return null;
    history.replaceState(null, "", location.pathname + location.search);
    return code;
}
