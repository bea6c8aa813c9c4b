import { Archive, ArchiveRestore, Folder, RotateCcw, Trash2, X } from "lucide-react";
import type { ReactNode } from "react";
import type { BulkAction, View } from "../../protocol/rest";
import { IconButton } from "../../ui/IconButton";

interface ChoiceBarProps {
    view: View;
    chosen: readonly string[];
    count: number /* of what is listed */;
    onAll: () => void;
    onMove: () => void;
    onAction: (action: BulkAction) => void;
    onEnd: () => void;
}

/* What is done with all that was chosen. */
export default function ChoiceBar({ view, chosen, count, onAll, onMove, onAction, onEnd }: ChoiceBarProps) {
    const button = (label: string, icon: ReactNode, run: () => void) => (
        <IconButton label={label} icon={icon} disabled={chosen.length === 0} onClick={run} />
    );
    const act = (action: "archive" | "unarchive" | "delete" | "restore" | "purge") => () =>
        onAction({ action });
    return (
        <div
            className="choice-bar"
            role="toolbar"
            aria-label="The chosen conversations"
            data-testid="choice-bar"
        >
            <button type="button" className="text-button" onClick={onAll}>
                {chosen.length === count && count > 0 ? "None" : "All"}
            </button>
            <span className="choice-count" role="status">
                {chosen.length}
            </span>
            {view === "trash" ? (
                <>
                    {button("Restore", <RotateCcw size={17} />, act("restore"))}
                    {button("Delete for ever", <Trash2 size={17} />, act("purge"))}
                </>
            ) : (
                <>
                    {button("Move to folder", <Folder size={17} />, onMove)}
                    {view === "archived"
                        ? button("Out of the archive", <ArchiveRestore size={17} />, act("unarchive"))
                        : button("Archive", <Archive size={17} />, act("archive"))}
                    {button("Delete", <Trash2 size={17} />, act("delete"))}
                </>
            )}
            <IconButton label="End the choice" icon={<X size={17} />} onClick={onEnd} />
        </div>
    );
}
