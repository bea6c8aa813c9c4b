import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { ErrorBoundary } from "./app/ErrorBoundary";
import { navigate, route, startRouter } from "./app/router";
import { ChatClient } from "./chat/client";
import { onNextFrame } from "./chat/frameSchedule";
import { followOtherTabs } from "./chat/preferences";
import { Store } from "./chat/store";
import { exposeTexts, isTracing } from "./chat/trace";
import { Door } from "./features/connection/Door";
import { takeOnce } from "./features/connection/once";
import { ServicesContext } from "./features/useClient";
import { Rest } from "./protocol/rest";
import { loadLater } from "./ui/lazily";
import { followSystemTheme } from "./ui/theme";
import { showToast } from "./ui/toasts";
import "./ui/tokens.css";
import "./ui/base.css";

startRouter();
followSystemTheme();

const client = new ChatClient({
    rest: new Rest(),
    socket: {
        url: () => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`,
    },
    schedule: onNextFrame,
    now: () => performance.now(),
    newId: () => {
        const bytes = crypto.getRandomValues(new Uint8Array(16));
        return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    },
    onCreated: (conversation, id) => {
        /* Only if it is still what the reader looks at. */
        if (route.get().conversation === null && client.open(id) === conversation)
            navigate(`/c/${id}`, { replace: true });
    },
    onError: (text) => showToast(text, { isError: true }),
});

if (isTracing)
    exposeTexts({
        text: (generation) => client.textOf(generation),
        message: (id) => client.messageText(id),
    });
for (const sign of ["online", "pageshow", "focus"]) window.addEventListener(sign, () => client.wake());
document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") client.wake();
});

/* Whoever comes by an address that signs in once has a cookie before the socket is opened. */
const failure = new Store<string | null>(null);
const once = takeOnce();
const signedIn = once === null ? Promise.resolve() : client.rest.signIn(once);
void signedIn.catch((error: Error) => failure.set(error.message)).finally(() => client.start());
loadLater();
followOtherTabs();

const root = document.getElementById("root");
if (root)
    createRoot(root).render(
        <ErrorBoundary>
            <ServicesContext value={{ client, navigate }}>
                <Door failure={failure}>
                    <App />
                </Door>
            </ServicesContext>
        </ErrorBoundary>,
    );
