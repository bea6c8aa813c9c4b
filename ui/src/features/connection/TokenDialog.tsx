import { Dialog } from "@base-ui/react/dialog";
import { type FormEvent, useId, useState } from "react";
import { readToken, writeToken } from "../../chat/localStore";
import { useClient, useStore } from "../useClient";

/* A server that was started with --token lets nobody in without it [W5]. */
export function TokenDialog() {
    const client = useClient();
    const { socket } = useStore(client.connection);
    const [token, setToken] = useState("");
    const id = useId();
    const isAsked = socket.state === "refused" && socket.code === 4001;
    const wasTried = readToken() !== null;
    const submit = (event: FormEvent) => {
        event.preventDefault();
        writeToken(token.trim());
        client.retry();
    };
    return (
        <Dialog.Root open={isAsked}>
            <Dialog.Portal>
                <Dialog.Backdrop className="backdrop" />
                <Dialog.Popup className="dialog token-dialog" data-testid="token-dialog">
                    <form onSubmit={submit}>
                        <Dialog.Title>This server asks for its token</Dialog.Title>
                        <label htmlFor={id}>It is what the server was started with as --token.</label>
                        <input
                            id={id}
                            type="password"
                            autoComplete="current-password"
                            data-testid="token"
                            value={token}
                            aria-invalid={wasTried}
                            onChange={(event) => setToken(event.target.value)}
                        />
                        {wasTried && (
                            <p className="field-error" role="alert">
                                The server did not take the last one.
                            </p>
                        )}
                        <button
                            type="submit"
                            className="button button-primary"
                            disabled={token.trim() === ""}
                        >
                            Open
                        </button>
                    </form>
                </Dialog.Popup>
            </Dialog.Portal>
        </Dialog.Root>
    );
}
