import { Block } from "./Block";
import type { Blocks as BlockList } from "./splitBlocks";

interface BlocksProps extends BlockList {
    running: boolean;
}

/* Keys are places: a block keeps its place for good, so that the tail becomes a settled block without being
 * built anew. */
export function Blocks({ settled, tail, running }: BlocksProps) {
    const all = tail === "" ? settled : [...settled, tail];
    return all.map((text, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the place is the block's identity
        <Block key={place} text={text} open={running && place === settled.length} />
    ));
}
