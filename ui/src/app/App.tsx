import { PanelLeft, SquarePen } from "lucide-react";
import { useCallback, useEffect, useState } from "react";
import { ConnectionBanner } from "../features/connection/ConnectionBanner";
import { StorageBanner } from "../features/connection/StorageBanner";
import { ConversationView } from "../features/conversation/ConversationView";
import { ModelControl } from "../features/models/ModelControl";
import { OwnButton } from "../features/own/OwnButton";
import { SettingsButton } from "../features/settings/SettingsButton";
import { Sidebar } from "../features/sidebar/Sidebar";
import { ExportButton } from "../features/transfer/ExportButton";
import { useServices, useStore } from "../features/useClient";
import { IconButton } from "../ui/IconButton";
import { isKey, isTyping } from "../ui/keys";
import { lazily, Popup } from "../ui/lazily";
import { Toasts } from "../ui/Toasts";
import { Tooltips } from "../ui/Tooltips";
import { PHONE, useMedia } from "../ui/useMedia";
import { route } from "./router";
import { type Action, SHORTCUTS } from "./shortcuts";
import { ThemeToggle } from "./ThemeToggle";
import { useNotify } from "./useNotify";
import { useSeen } from "./useSeen";
import { useTitle } from "./useTitle";
import "./app.css";

const Drawer = lazily(() => import("./Drawer"));
const HelpDialog = lazily(() => import("./HelpDialog"));
const SearchDialog = lazily(() => import("../features/search/SearchDialog"));

export function App() {
    const { client, navigate } = useServices();
    const place = useStore(route);
    const openId = place.conversation;
    const isPhone = useMedia(PHONE);
    const [isSidebarOpen, setSidebarOpen] = useSidebar();
    const [isDrawerOpen, setDrawerOpen] = useState(false);
    const [isHelpOpen, setHelpOpen] = useState(false);
    const [isSearchOpen, setSearchOpen] = useState(false);
    const conversation = client.open(openId);
    useTitle(conversation);
    useNotify();
    const hasUnread = useSeen(openId);
    const closeDrawer = useCallback(() => setDrawerOpen(false), []);
    const closeSidebar = useCallback(() => setSidebarOpen(false), [setSidebarOpen]);
    const nothing = useCallback(() => {}, []);
    const openSearch = useCallback(() => setSearchOpen(true), []);
    const hasSidebar = !isPhone && isSidebarOpen;
    const showList = (isShown: boolean) => (isPhone ? setDrawerOpen(isShown) : setSidebarOpen(isShown));
    useShortcuts({
        search: () => setSearchOpen(true),
        new: () => {
            navigate("/");
            setDrawerOpen(false);
            setSearchOpen(false);
        },
        sidebar: () => showList(isPhone ? !isDrawerOpen : !isSidebarOpen),
        write: () => focusSoon("[data-testid=composer]"),
        help: () => setHelpOpen(true),
    });

    return (
        <div className="app">
            <button type="button" className="skip-link" onClick={() => focusSoon("[data-testid=composer]")}>
                Skip to the message box
            </button>
            {hasSidebar && (
                <Sidebar openId={openId} onClose={closeSidebar} onChosen={nothing} onSearch={openSearch} />
            )}
            {isPhone && (
                <Popup of={Drawer} isOpen={isDrawerOpen} onClose={closeDrawer} onSearch={openSearch} />
            )}
            <div className="app-main">
                <header className="app-head">
                    {!hasSidebar && (
                        <IconButton
                            label={`Show the conversations${hasUnread ? ": not all are read" : ""}`}
                            icon={<PanelLeft size={19} />}
                            data-testid="sidebar-open"
                            data-marked={hasUnread || undefined}
                            onClick={() => showList(true)}
                        />
                    )}
                    <ModelControl conversation={conversation} />
                    <span className="app-space" />
                    {conversation.id !== null && <ExportButton conversation={conversation} />}
                    {!hasSidebar && (
                        <IconButton
                            label="New conversation"
                            icon={<SquarePen size={18} />}
                            onClick={() => navigate("/")}
                        />
                    )}
                    <OwnButton key={conversation.key} conversation={conversation} />
                    {/* A phone has no room for it: its settings have the theme too. */}
                    {!isPhone && <ThemeToggle />}
                    <SettingsButton />
                </header>
                <StorageBanner />
                <ConnectionBanner />
                <Toasts />
                <ConversationView key={conversation.key} conversation={conversation} place={place} />
            </div>
            <Popup of={HelpDialog} isOpen={isHelpOpen} onClose={() => setHelpOpen(false)} />
            <Popup of={SearchDialog} isOpen={isSearchOpen} onClose={() => setSearchOpen(false)} />
            <Tooltips />
        </div>
    );
}

function useShortcuts(run: Record<Action, () => void>): void {
    useEffect(() => {
        const onKey = (event: KeyboardEvent) => {
            const found = SHORTCUTS.flatMap((group) => group.keys).find((shortcut) =>
                isKey(event, shortcut.keys),
            );
            if (!found?.action || event.defaultPrevented) return;
            /* A single key is text where text is written, and what pops up has its own keys. */
            if (!found.keys.includes("+") && (isTyping(event.target) || isPopupOpen())) return;
            event.preventDefault();
            run[found.action]();
        };
        window.addEventListener("keydown", onKey);
        return () => window.removeEventListener("keydown", onKey);
    });
}

const isPopupOpen = () => document.querySelector('[role="dialog"]') !== null;

const FOCUS_FRAMES_MAX = 60;

/* focusSoon: what is to have the focus may have to be built first. */
function focusSoon(selector: string, frames = FOCUS_FRAMES_MAX): void {
    const found = document.querySelector<HTMLElement>(selector);
    if (found) found.focus();
    else if (frames > 0) requestAnimationFrame(() => focusSoon(selector, frames - 1));
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
