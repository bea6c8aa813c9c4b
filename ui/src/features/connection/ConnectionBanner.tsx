import { RefreshCw, WifiOff } from "lucide-react";
import { useEffect, useState } from "react";
import type { ConnectionSnapshot } from "../../chat/client";
import { useClient, useStore } from "../useClient";
import "./connection.css";

/* A line that is back within this time was hardly away: no banner for it. */
const QUIET_MS = 700;
/* After so many attempts, some seconds, it will hardly come back by itself. */
const ATTEMPTS_LONG = 5;

export function ConnectionBanner() {
    const client = useClient();
    const connection = useStore(client.connection);
    const isDown = connection.socket.state !== "open" || connection.catchingUp;
    const [isShown, setShown] = useState(false);
    useEffect(() => {
        if (!isDown) {
            setShown(false);
            return;
        }
        const timer = setTimeout(() => setShown(true), QUIET_MS);
        return () => clearTimeout(timer);
    }, [isDown]);
    const second = useSeconds(isShown && connection.socket.state === "waiting");
    if (!isShown) return null;
    const canRetry = connection.socket.state === "waiting" || connection.socket.state === "refused";
    const Icon =
        connection.socket.state === "waiting" || connection.socket.state === "refused" ? WifiOff : RefreshCw;
    return (
        <div
            className="connection-banner"
            data-testid="connection-banner"
            data-state={connection.socket.state}
        >
            <Icon size={15} aria-hidden="true" />
            <span role="status">{bannerText(connection)}</span>
            <span aria-hidden="true">
                {connection.socket.state === "waiting" && waitText(connection, second)}
            </span>
            {canRetry && (
                <button type="button" className="text-button" onClick={() => client.retry()}>
                    Try now
                </button>
            )}
        </div>
    );
}

function bannerText({ socket, wasOpen, catchingUp }: ConnectionSnapshot): string {
    if (catchingUp) return "Connected again. Catching up…";
    if (socket.state === "refused") return "This page and the server do not fit together. Reload the page.";
    if (!wasOpen && socket.state === "connecting" && socket.attempt === 1) return "Connecting…";
    if ("attempt" in socket && socket.attempt >= ATTEMPTS_LONG)
        return "The server does not answer. If Runnel was ended, start it with ./run.";
    return wasOpen ? "The connection was lost. Reconnecting…" : "The server does not answer. Trying again…";
}

function waitText({ socket }: ConnectionSnapshot, now: number): string {
    if (socket.state !== "waiting" || socket.attempt < 3) return "";
    const seconds = Math.ceil((socket.retryAt - now) / 1000);
    return seconds > 0 ? `Attempt ${socket.attempt} in ${seconds} s` : `Attempt ${socket.attempt}`;
}

function useSeconds(isRunning: boolean): number {
    const [now, setNow] = useState(() => Date.now());
    useEffect(() => {
        if (!isRunning) return;
        setNow(Date.now());
        const timer = setInterval(() => setNow(Date.now()), 500);
        return () => clearInterval(timer);
    }, [isRunning]);
    return now;
}
