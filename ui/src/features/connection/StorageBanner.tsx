import { HardDrive } from "lucide-react";
import type { StorageState } from "../../protocol/frames";
import { useClient, useStore } from "../useClient";
import "./connection.css";

interface Advice {
    title: string;
    todo: string;
}

/* What is wrong with the disk, and what to do about it; null when nothing is. */
export function storageAdvice(state: StorageState["state"]): Advice | null {
    switch (state) {
        case "fine":
            return null;
        case "full":
            return {
                title: "The disk is full.",
                todo: "Delete or move files to make room on it. Runnel goes on by itself.",
            };
        case "failing":
            return {
                title: "The disk does not take what is written.",
                todo: "Look after the disk of the data folder and make a copy of it. Runnel keeps trying.",
            };
        case "read_only":
            return {
                title: "The data folder cannot be written to.",
                todo: "Allow Runnel to write to it, then start Runnel again.",
            };
    }
}

export function StorageBanner() {
    const { state, text } = useStore(useClient().storage);
    const advice = storageAdvice(state);
    if (!advice) return null;
    return (
        <div className="storage-banner" data-testid="storage-banner" data-state={state} role="alert">
            <HardDrive size={17} aria-hidden="true" />
            <p>
                <strong>{advice.title}</strong> {advice.todo}{" "}
                <span className="storage-detail">
                    Everything can still be read; new messages cannot be sent until then.
                    {text && ` (${text})`}
                </span>
            </p>
        </div>
    );
}
