import { Dialog } from "@base-ui/react/dialog";
import { Tooltip } from "@base-ui/react/tooltip";
import { PanelLeft, SquarePen } from "lucide-react";
import { useCallback, useEffect, useState } from "react";
import { ConnectionBanner } from "../features/connection/ConnectionBanner";
import { StorageBanner } from "../features/connection/StorageBanner";
import { ConversationView } from "../features/conversation/ConversationView";
import { ModelControl } from "../features/models/ModelControl";
import { SettingsDialog } from "../features/settings/SettingsDialog";
import { Sidebar } from "../features/sidebar/Sidebar";
import { useServices, useStore } from "../features/useClient";
import { IconButton } from "../ui/IconButton";
import { Toasts } from "../ui/Toasts";
import { PHONE, useMedia } from "../ui/useMedia";
import { route } from "./router";
import { ThemeToggle } from "./ThemeToggle";
import { useTitle } from "./useTitle";
import "./app.css";

export function App() {
    const { client, navigate } = useServices();
    const { conversation: openId } = useStore(route);
    const isPhone = useMedia(PHONE);
    const [isSidebarOpen, setSidebarOpen] = useSidebar();
    const [isDrawerOpen, setDrawerOpen] = useState(false);
    const conversation = client.open(openId);
    useTitle(conversation);
    useEffect(() => {
        const onKey = (event: KeyboardEvent) => {
            if (!(event.ctrlKey || event.metaKey) || !event.shiftKey || event.key.toLowerCase() !== "o")
                return;
            event.preventDefault();
            navigate("/");
        };
        window.addEventListener("keydown", onKey);
        return () => window.removeEventListener("keydown", onKey);
    }, [navigate]);
    const closeDrawer = useCallback(() => setDrawerOpen(false), []);
    const closeSidebar = useCallback(() => setSidebarOpen(false), [setSidebarOpen]);
    const nothing = useCallback(() => {}, []);
    const hasSidebar = !isPhone && isSidebarOpen;

    return (
        <Tooltip.Provider delay={500}>
            <div className="app">
                {hasSidebar && <Sidebar openId={openId} onClose={closeSidebar} onChosen={nothing} />}
                {isPhone && (
                    <Dialog.Root open={isDrawerOpen} onOpenChange={setDrawerOpen}>
                        <Dialog.Portal>
                            <Dialog.Backdrop className="backdrop" />
                            <Dialog.Popup className="drawer" aria-label="Conversations">
                                <Sidebar openId={openId} onClose={closeDrawer} onChosen={closeDrawer} />
                            </Dialog.Popup>
                        </Dialog.Portal>
                    </Dialog.Root>
                )}
                <div className="app-main">
                    <header className="app-head">
                        {!hasSidebar && (
                            <IconButton
                                label="Show the conversations"
                                icon={<PanelLeft size={19} />}
                                data-testid="sidebar-open"
                                onClick={() => (isPhone ? setDrawerOpen(true) : setSidebarOpen(true))}
                            />
                        )}
                        <ModelControl />
                        <span className="app-space" />
                        {!hasSidebar && (
                            <IconButton
                                label="New conversation"
                                icon={<SquarePen size={18} />}
                                onClick={() => navigate("/")}
                            />
                        )}
                        <ThemeToggle />
                        <SettingsDialog />
                    </header>
                    <StorageBanner />
                    <ConnectionBanner />
                    <Toasts />
                    <ConversationView key={conversation.key} conversation={conversation} />
                </div>
            </div>
        </Tooltip.Provider>
    );
}

const SIDEBAR = "runnel.sidebar";

function useSidebar(): [boolean, (isOpen: boolean) => void] {
    const [isOpen, setOpen] = useState(() => {
        try {
            return localStorage.getItem(SIDEBAR) !== "closed";
        } catch {
            return true;
        }
    });
    const set = useCallback((next: boolean) => {
        setOpen(next);
        try {
            localStorage.setItem(SIDEBAR, next ? "open" : "closed");
        } catch {
            /* Without storage it is open again on the next visit. */
        }
    }, []);
    return [isOpen, set];
}
