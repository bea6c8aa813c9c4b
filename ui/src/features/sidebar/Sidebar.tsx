import { PanelLeftClose, Search, SquarePen, X } from "lucide-react";
import { useMemo, useState } from "react";
import { IconButton } from "../../ui/IconButton";
import { keyWords } from "../../ui/keys";
import { Logo } from "../../ui/Logo";
import { useServices, useStore } from "../useClient";
import { ConversationItem } from "./ConversationItem";
import { groupByDate } from "./groupByDate";
import { useDelete } from "./useDelete";
import { useSearch } from "./useSearch";
import "./sidebar.css";

interface SidebarProps {
    openId: string | null;
    onClose: () => void;
    onChosen: () => void;
}

export function Sidebar({ openId, onClose, onChosen }: SidebarProps) {
    const { client, navigate } = useServices();
    const list = useStore(client.list);
    const version = useStore(client.version);
    const [search, setSearch] = useState("");
    const result = useSearch(search);
    const deleteItem = useDelete(openId);
    const isSearching = search.trim() !== "";
    const items = useMemo(
        () =>
            isSearching ? (result?.items ?? []).filter((item) => !client.list.isHidden(item.id)) : list.items,
        [isSearching, result, list, client],
    );
    const groups = useMemo(
        () => (isSearching ? [{ label: "Found", items }] : groupByDate(items, new Date())),
        [isSearching, items],
    );
    const open = useMemo(
        () => (id: string) => {
            navigate(`/c/${id}`);
            onChosen();
        },
        [navigate, onChosen],
    );
    return (
        <nav className="sidebar" aria-label="Conversations">
            <div className="sidebar-head">
                <a
                    className="brand"
                    href="/"
                    onClick={(event) => {
                        event.preventDefault();
                        navigate("/");
                        onChosen();
                    }}
                >
                    <Logo />
                    Runnel
                </a>
                <IconButton label="Hide the sidebar" icon={<PanelLeftClose size={18} />} onClick={onClose} />
            </div>
            <button
                type="button"
                className="new-conversation"
                data-testid="new-conversation"
                onClick={() => {
                    navigate("/");
                    onChosen();
                }}
            >
                <SquarePen size={16} aria-hidden="true" />
                New conversation
            </button>
            <div className="search">
                <Search size={15} aria-hidden="true" />
                <input
                    type="search"
                    className="field-control"
                    data-search
                    autoComplete="off"
                    placeholder="Search"
                    aria-label="Search in all conversations"
                    value={search}
                    onChange={(event) => setSearch(event.target.value)}
                    onKeyDown={(event) => {
                        if (event.key !== "Escape") return;
                        event.stopPropagation();
                        setSearch("");
                    }}
                />
                {!isSearching && <kbd>{keyWords("Mod+K")}</kbd>}
                {isSearching && (
                    <button type="button" aria-label="Clear the search" onClick={() => setSearch("")}>
                        <X size={14} />
                    </button>
                )}
            </div>
            <div className="conversation-list">
                {groups.map((group) => (
                    <section key={group.label} aria-label={group.label}>
                        <h2>{group.label}</h2>
                        <ul>
                            {group.items.map((item) => (
                                <ConversationItem
                                    key={item.id}
                                    item={item}
                                    isOpen={item.id === openId}
                                    highlight={isSearching ? search : ""}
                                    onOpen={open}
                                    onDelete={deleteItem}
                                />
                            ))}
                        </ul>
                    </section>
                ))}
                {!isSearching && list.hasMore && (
                    <button type="button" className="text-button" onClick={() => void client.list.loadMore()}>
                        Show older conversations
                    </button>
                )}
                <p className="list-note" role="status">
                    {note(isSearching, result?.items.length ?? null, result?.error ?? list.error, list)}
                </p>
            </div>
            {version && <p className="version">Runnel {version}</p>}
        </nav>
    );
}

function note(
    isSearching: boolean,
    found: number | null,
    error: string | null,
    list: { status: string; items: readonly unknown[] },
): string {
    if (error) return error;
    if (isSearching) return found === 0 ? "Nothing found." : "";
    if (list.status === "ready" && list.items.length === 0) return "Your conversations will be listed here.";
    return "";
}
