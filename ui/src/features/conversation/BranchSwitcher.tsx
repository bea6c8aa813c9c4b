import { ChevronLeft, ChevronRight } from "lucide-react";
import type { Branch } from "../../chat/branches";
import { IconButton } from "../../ui/IconButton";

interface BranchSwitcherProps {
    branch: Branch | undefined;
    onSelect: (message: string) => void;
}

/* Which of its siblings is shown, and the way to the others. */
export function BranchSwitcher({ branch, onSelect }: BranchSwitcherProps) {
    if (!branch) return null;
    const { place, count, before, after } = branch;
    return (
        <fieldset className="branches" data-testid="branches" aria-label="Versions">
            <IconButton
                className="tool-button"
                label="The version before"
                icon={<ChevronLeft size={16} aria-hidden="true" />}
                disabled={before === null}
                onClick={() => before !== null && onSelect(before)}
            />
            <span className="branch-place">
                <span aria-hidden="true">
                    {place}/{count}
                </span>
                <span className="visually-hidden">
                    Version {place} of {count}
                </span>
            </span>
            <IconButton
                className="tool-button"
                label="The next version"
                icon={<ChevronRight size={16} aria-hidden="true" />}
                disabled={after === null}
                onClick={() => after !== null && onSelect(after)}
            />
        </fieldset>
    );
}
