import { KeyRound } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { Logo } from "../../ui/Logo";
import { useClient } from "../useClient";
import "./sign-in.css";

/* The page of a server that needs a key, before it has one [W46]. What is typed goes to the server once and is kept nowhere: from then on
 * the browser has a cookie that no script can read. */
export function SignIn({ failure: first }: { failure: string | null }) {
    const client = useClient();
    const [key, setKey] = useState("");
    const [failure, setFailure] = useState(first);
    const [isAsking, setAsking] = useState(false);
    const id = useId();
    const submit = async (event: FormEvent) => {
        event.preventDefault();
        setAsking(true);
        try {
            await client.rest.signIn(key.trim());
            client.retry();
        } catch (error) {
            setFailure(error instanceof Error ? error.message : String(error));
            setAsking(false);
        }
    };
    return (
        <main className="sign-in" data-testid="sign-in">
            <form onSubmit={submit}>
                <Logo />
                <h1>Sign in</h1>
                <p>This server lets in whoever has a key.</p>
                <label htmlFor={id}>Key</label>
                <input
                    id={id}
                    type="password"
                    autoComplete="current-password"
                    autoCapitalize="off"
                    spellCheck={false}
                    data-testid="key"
                    value={key}
                    aria-invalid={failure !== null}
                    aria-describedby={`${id}-failure ${id}-help`}
                    onChange={(event) => setKey(event.target.value)}
                />
                <p
                    className="field-error"
                    id={`${id}-failure`}
                    role="alert"
                    data-testid="sign-in-failure"
                    hidden={failure === null}
                >
                    {failure}
                </p>
                <button
                    type="submit"
                    className="button button-primary"
                    data-testid="sign-in-submit"
                    disabled={key.trim() === "" || isAsking}
                >
                    <KeyRound size={16} aria-hidden="true" />
                    {isAsking ? "Signing in…" : "Sign in"}
                </button>
                <p className="sign-in-help" id={`${id}-help`}>
                    On the server, <code>runnel key add NAME</code> makes a key. The log of the server's start
                    has an address that signs in once.
                </p>
            </form>
        </main>
    );
}
