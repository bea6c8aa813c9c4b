import { Archive, ArrowLeft, ListChecks, PanelLeftClose, Search, SquarePen, Trash2 } from "lucide-react";
import { Suspense, useCallback, useMemo, useState } from "react";
import type { ConversationSummary, View } from "../../protocol/rest";
import { IconButton } from "../../ui/IconButton";
import { keyWords } from "../../ui/keys";
import { Logo } from "../../ui/Logo";
import { lazily } from "../../ui/lazily";
import { useServices, useStore } from "../useClient";
import { ConversationItem } from "./ConversationItem";
import { GroupSection } from "./GroupSection";
import { type Group, groupConversations } from "./groupConversations";
import { useConversations } from "./useConversations";
import { useView } from "./useView";
import "./sidebar.css";

const ChoiceBar = lazily(() => import("./ChoiceBar"));
const FolderDialog = lazily(() => import("./FolderDialog"));

interface SidebarProps {
    openId: string | null;
    onClose: () => void;
    onChosen: () => void;
    onSearch: () => void;
}

const VIEW_TITLES: Record<View, string> = { usual: "", archived: "Archive", trash: "Trash" };

export function Sidebar({ openId, onClose, onChosen, onSearch }: SidebarProps) {
    const { client, navigate } = useServices();
    const list = useStore(client.list);
    const version = useStore(client.version);
    const [view, setView] = useState<View>("usual");
    const elsewhere = useView(view);
    const items = view === "usual" ? list.items : elsewhere.items;
    const groups = useMemo<Group[]>(
        () =>
            view === "usual"
                ? groupConversations(items, new Date())
                : [{ kind: "date", label: "", items: [...items] }],
        [items, view],
    );
    const { refresh } = elsewhere;
    const actions = useConversations(openId, refresh);
    const choice = useChoice(items);
    const [moving, setMoving] = useState<readonly ConversationSummary[]>(NOTHING);
    const moveOne = useCallback((item: ConversationSummary) => setMoving([item]), []);
    const open = useCallback(
        (id: string) => {
            navigate(`/c/${id}`);
            onChosen();
        },
        [navigate, onChosen],
    );
    const enter = (next: View) => {
        setView(next);
        choice.end();
    };
    return (
        <nav className="sidebar" aria-label="Conversations">
            <SidebarHead
                onClose={onClose}
                onHome={() => {
                    navigate("/");
                    onChosen();
                }}
            />
            <SearchButton onSearch={onSearch} />
            {view !== "usual" && (
                <div className="view-head">
                    <IconButton
                        label="Back to the conversations"
                        icon={<ArrowLeft size={17} />}
                        onClick={() => enter("usual")}
                    />
                    <h2>{VIEW_TITLES[view]}</h2>
                </div>
            )}
            <div className="conversation-list" data-testid="conversation-list" data-view={view}>
                {groups.map((group) => (
                    <GroupSection
                        key={`${group.kind} ${group.label}`}
                        group={group}
                        onRename={actions.renameFolder}
                    >
                        {group.items.map((item) => (
                            <ConversationItem
                                key={item.id}
                                item={item}
                                view={view}
                                isOpen={item.id === openId}
                                isChosen={choice.chosen ? choice.chosen.has(item.id) : null}
                                actions={actions}
                                onOpen={open}
                                onChoose={choice.toggle}
                                onMove={moveOne}
                            />
                        ))}
                    </GroupSection>
                ))}
                {view === "usual" && list.hasMore && (
                    <button type="button" className="text-button" onClick={() => void client.list.loadMore()}>
                        Show older conversations
                    </button>
                )}
                <p className="list-note" role="status">
                    {view === "usual"
                        ? (list.error ?? emptyWords(list))
                        : (elsewhere.error ?? viewWords(view, items.length))}
                </p>
            </div>
            {choice.chosen ? (
                <Suspense fallback={<div className="choice-bar" />}>
                    <ChoiceBar
                        view={view}
                        chosen={[...choice.chosen]}
                        count={items.length}
                        onAll={choice.all}
                        onMove={() => setMoving(items.filter((item) => choice.chosen?.has(item.id)))}
                        onAction={(action) => {
                            void actions.all([...(choice.chosen ?? [])], action);
                            choice.end();
                        }}
                        onEnd={choice.end}
                    />
                </Suspense>
            ) : (
                <SidebarFoot
                    version={version}
                    view={view}
                    canChoose={items.length > 0}
                    onChoose={choice.begin}
                    onView={enter}
                />
            )}
            {moving.length > 0 && (
                <Suspense fallback={null}>
                    <FolderDialog
                        isOpen
                        onClose={() => setMoving(NOTHING)}
                        count={moving.length}
                        current={moving.length === 1 ? (moving[0]?.folder ?? null) : null}
                        onChosen={(folder) => {
                            void actions.all(
                                moving.map(({ id }) => id),
                                { action: "move", folder },
                            );
                            choice.end();
                        }}
                    />
                </Suspense>
            )}
        </nav>
    );
}

const NOTHING: readonly ConversationSummary[] = [];

/* useChoice: null while nothing is being chosen. What is not listed any more is not chosen either. */
function useChoice(items: readonly ConversationSummary[]) {
    const [ids, setIds] = useState<ReadonlySet<string> | null>(null);
    const chosen = useMemo(
        () => ids && new Set(items.filter(({ id }) => ids.has(id)).map(({ id }) => id)),
        [ids, items],
    );
    const toggle = useCallback((id: string) => {
        setIds((now) => {
            const next = new Set(now);
            if (!next.delete(id)) next.add(id);
            return next;
        });
    }, []);
    return {
        chosen,
        toggle,
        begin: () => setIds(new Set()),
        end: () => setIds(null),
        all: () => setIds(new Set(chosen && chosen.size === items.length ? [] : items.map(({ id }) => id))),
    };
}

function emptyWords(list: { status: string; items: readonly unknown[] }): string {
    return list.status === "ready" && list.items.length === 0
        ? "Your conversations will be listed here."
        : "";
}

function viewWords(view: View, count: number): string {
    if (view === "trash")
        return count > 0 ? "What is in the trash for 30 days is deleted for ever." : "The trash is empty.";
    return count > 0 ? "" : "Nothing is archived.";
}

function SidebarHead({ onClose, onHome }: { onClose: () => void; onHome: () => void }) {
    return (
        <>
            <div className="sidebar-head">
                <a
                    className="brand"
                    href="/"
                    onClick={(event) => {
                        event.preventDefault();
                        onHome();
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
                onClick={onHome}
            >
                <SquarePen size={16} aria-hidden="true" />
                New conversation
            </button>
        </>
    );
}

function SearchButton({ onSearch }: { onSearch: () => void }) {
    return (
        <button
            type="button"
            className="new-conversation"
            data-testid="search-open"
            aria-haspopup="dialog"
            onClick={onSearch}
        >
            <Search size={16} aria-hidden="true" />
            Search
            <kbd>{keyWords("Mod+K")}</kbd>
        </button>
    );
}

interface SidebarFootProps {
    version: string;
    view: View;
    canChoose: boolean;
    onChoose: () => void;
    onView: (view: View) => void;
}

function SidebarFoot({ version, view, canChoose, onChoose, onView }: SidebarFootProps) {
    return (
        <div className="sidebar-foot">
            {version && <p className="version">Runnel {version}</p>}
            <span className="foot-space" />
            <IconButton
                label="Choose several"
                icon={<ListChecks size={17} />}
                data-testid="choose-several"
                disabled={!canChoose}
                onClick={onChoose}
            />
            <IconButton
                label="Archive"
                icon={<Archive size={17} />}
                data-testid="view-archived"
                aria-pressed={view === "archived"}
                onClick={() => onView(view === "archived" ? "usual" : "archived")}
            />
            <IconButton
                label="Trash"
                icon={<Trash2 size={17} />}
                data-testid="view-trash"
                aria-pressed={view === "trash"}
                onClick={() => onView(view === "trash" ? "usual" : "trash")}
            />
        </div>
    );
}
