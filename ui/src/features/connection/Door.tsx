import type { ReactNode } from "react";
import type { Store } from "../../chat/store";
import { isKeyNeeded } from "../../protocol/socket";
import { useClient, useStore } from "../useClient";
import { SignIn } from "./SignIn";

/* Nothing of the page is there for whoever the server does not let in. `failure`: of a sign-in that came with the address. */
export function Door({ failure, children }: { failure: Store<string | null>; children: ReactNode }) {
    const client = useClient();
    const { socket } = useStore(client.connection);
    const text = useStore(failure);
    return isKeyNeeded(socket) ? <SignIn failure={text} /> : children;
}
