import { Component, type ReactNode } from "react";

/* The last resort: what went wrong, and a way on. Nothing is lost: the server has the conversations. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { error: Error | null }> {
    override state: { error: Error | null } = { error: null };

    static getDerivedStateFromError(error: Error) {
        return { error };
    }

    override render() {
        const { error } = this.state;
        if (!error) return this.props.children;
        return (
            <main className="crash" role="alert">
                <h1>The page has failed</h1>
                <p>Your conversations are safe on the server. Reloading the page usually helps.</p>
                <pre>{error.message}</pre>
                <button type="button" className="button button-primary" onClick={() => location.reload()}>
                    Reload
                </button>
            </main>
        );
    }
}
