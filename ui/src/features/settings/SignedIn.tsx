import { LogOut } from "lucide-react";
import { useEffect, useState } from "react";
import type { Caller } from "../../protocol/rest";
import { useClient } from "../useClient";

/* Who has signed in, and the way out; nothing where no key is needed. */
export function SignedIn() {
    const { rest } = useClient();
    const [caller, setCaller] = useState<Caller | null>(null);
    const [failure, setFailure] = useState<string | null>(null);
    useEffect(() => {
        rest.caller().then(setCaller, () => {} /* The settings say that the server does not answer. */);
    }, [rest]);
    if (!caller?.isSignedIn) return null;
    const leave = () =>
        rest.signOut().then(
            /* What is in memory was the one's who left. */
            () => location.assign("/"),
            (error: Error) => setFailure(error.message),
        );
    return (
        <div className="signed-in" data-testid="signed-in">
            <span>
                Signed in with the key <strong>{caller.name}</strong>
                {failure && (
                    <span className="field-error" role="alert">
                        {failure}
                    </span>
                )}
            </span>
            <button type="button" className="button" data-testid="sign-out" onClick={leave}>
                <LogOut size={15} aria-hidden="true" /> Sign out
            </button>
        </div>
    );
}
