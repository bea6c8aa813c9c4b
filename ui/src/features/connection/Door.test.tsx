// @vitest-environment happy-dom
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ChatClient, ConnectionSnapshot } from "../../chat/client";
import { Store } from "../../chat/store";
import { ApiError } from "../../protocol/rest";
import type { SocketStatus } from "../../protocol/socket";
import { ServicesContext } from "../useClient";
import { Door } from "./Door";
import { takeOnce } from "./once";

function setUp(socket: SocketStatus, signIn = vi.fn(() => Promise.resolve()), failure: string | null = null) {
    const connection = new Store<ConnectionSnapshot>({ socket, wasOpen: false, catchingUp: false });
    const retry = vi.fn();
    const client = { connection, rest: { signIn }, retry } as unknown as ChatClient;
    render(
        <ServicesContext value={{ client, navigate: vi.fn() }}>
            <Door failure={new Store(failure)}>the page</Door>
        </ServicesContext>,
    );
    return { connection, signIn, retry };
}

const type = (text: string) => fireEvent.change(screen.getByTestId("key"), { target: { value: text } });
const press = () => act(async () => fireEvent.click(screen.getByTestId("sign-in-submit")));

afterEach(cleanup);

describe("the door", () => {
    it.each<SocketStatus>([
        { state: "open" },
        { state: "connecting", attempt: 1 },
        { state: "refused", code: 4000 },
    ])("shows the page while the socket is %o", (socket) => {
        setUp(socket);
        expect(screen.queryByTestId("sign-in")).toBeNull();
        expect(document.body.textContent).toContain("the page");
    });

    it.each([4001, 4401])("shows nothing of it once the server has closed with %d", (code) => {
        const { connection } = setUp({ state: "open" });
        act(() => connection.update((value) => ({ ...value, socket: { state: "refused", code } })));
        expect(screen.getByTestId("sign-in")).toBeTruthy();
        expect(document.body.textContent).not.toContain("the page");
    });

    it("gives the key to the server and connects again", async () => {
        const { signIn, retry } = setUp({ state: "refused", code: 4001 });
        expect(screen.getByTestId("sign-in-submit").hasAttribute("disabled")).toBe(true);
        type(" runnel_abc ");
        await press();
        expect(signIn).toHaveBeenCalledExactlyOnceWith("runnel_abc");
        expect(retry).toHaveBeenCalledOnce();
    });

    it("says why the server did not take it, and lets another one be tried", async () => {
        const refuse = vi.fn(() => Promise.reject(new ApiError(401, "this key is not known here")));
        const { retry } = setUp({ state: "refused", code: 4001 }, refuse);
        expect(screen.getByTestId("sign-in-failure").hasAttribute("hidden")).toBe(true);
        type("wrong");
        await press();
        expect(screen.getByRole("alert").textContent).toBe("this key is not known here");
        expect(retry).not.toHaveBeenCalled();
        expect(screen.getByTestId("sign-in-submit").hasAttribute("disabled")).toBe(false);
    });

    it("says why an address that signs in once did not", () => {
        setUp({ state: "refused", code: 4001 }, undefined, "used already");
        expect(screen.getByRole("alert").textContent).toBe("used already");
    });
});

describe("an address that signs in once", () => {
    beforeEach(() => history.replaceState(null, "", "/"));
    const code = "0123456789abcdef".repeat(4);

    it("loses its code when it is read", () => {
        history.replaceState(null, "", `/c/x?trace=1#once=${code}`);
        expect(takeOnce()).toBe(code);
        expect(location.pathname + location.search + location.hash).toBe("/c/x?trace=1");
        expect(takeOnce()).toBeNull();
    });

    it.each(["", "#once=", "#once=abc", `#x=${code}`])("is not %o", (hash) => {
        history.replaceState(null, "", `/${hash}`);
        expect(takeOnce()).toBeNull();
    });
});
