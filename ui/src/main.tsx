import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { ErrorBoundary } from "./app/ErrorBoundary";
import { navigate, route, startRouter } from "./app/router";
import { ChatClient } from "./chat/client";
import { onNextFrame } from "./chat/frameSchedule";
import { readToken } from "./chat/localStore";
import { exposeTexts, isTracing } from "./chat/trace";
import { ServicesContext } from "./features/useClient";
import { Rest } from "./protocol/rest";
import { followSystemTheme } from "./ui/theme";
import { showToast } from "./ui/toasts";
import "./ui/tokens.css";
import "./ui/base.css";

startRouter();
followSystemTheme();

const client = new ChatClient({
    rest: new Rest(readToken),
    socket: {
        url: () => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`,
        token: readToken,
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
window.addEventListener("online", () => client.retry());
document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") client.retry();
});
client.start();

const root = document.getElementById("root");
if (root)
    createRoot(root).render(
        <ErrorBoundary>
            <ServicesContext value={{ client, navigate }}>
                <App />
            </ServicesContext>
        </ErrorBoundary>,
    );
