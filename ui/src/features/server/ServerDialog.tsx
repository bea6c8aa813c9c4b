import { Tabs } from "@base-ui/react/tabs";
import { type ComponentType, useEffect, useState } from "react";
import { DialogFrame } from "../../ui/DialogFrame";
import type { PopupProps } from "../../ui/lazily";
import { InspectorTab } from "./InspectorTab";
import { LogTab } from "./LogTab";
import { ModelsTab } from "./ModelsTab";
import { MonitorTab } from "./MonitorTab";
import { ProgramsTab } from "./ProgramsTab";
import "./server.css";

export type ServerTab = "models" | "monitor" | "inspector" | "log" | "programs";

const TABS: readonly { value: ServerTab; label: string; body: ComponentType }[] = [
    { value: "models", label: "Models", body: ModelsTab },
    { value: "monitor", label: "Monitor", body: MonitorTab },
    { value: "inspector", label: "Inspector", body: InspectorTab },
    { value: "log", label: "Log", body: LogTab },
    { value: "programs", label: "Programs", body: ProgramsTab },
];

interface ServerDialogProps extends PopupProps {
    first: ServerTab;
}

/* All that the server has and does, besides conversations. Only the tab that is shown asks it for anything. */
export default function ServerDialog({ first, ...frame }: ServerDialogProps) {
    const [tab, setTab] = useState<ServerTab>(first);
    useEffect(() => {
        if (frame.isOpen) setTab(first);
    }, [frame.isOpen, first]);
    return (
        <DialogFrame title="Server" className="dialog-sheet server" testId="server" {...frame}>
            <Tabs.Root
                className="server-tabs"
                value={tab}
                onValueChange={(value) => setTab(value as ServerTab)}
            >
                <Tabs.List className="tab-list" aria-label="Parts of the server">
                    {TABS.map(({ value, label }) => (
                        <Tabs.Tab key={value} value={value} className="tab" data-testid={`tab-${value}`}>
                            {label}
                        </Tabs.Tab>
                    ))}
                </Tabs.List>
                {TABS.map(({ value, body: Body }) => (
                    <Tabs.Panel key={value} value={value} className="tab-panel">
                        <Body />
                    </Tabs.Panel>
                ))}
            </Tabs.Root>
        </DialogFrame>
    );
}
