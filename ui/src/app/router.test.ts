import { expect, it } from "vitest";
import { parseRoute } from "./router";

it.each([
    ["/", null],
    ["/c/chat_2026-11-22-21-05-10-123.txt", "chat_2026-11-22-21-05-10-123.txt"],
    ["/c/chat_2026-11-22-21-05-10-123_2.txt/", "chat_2026-11-22-21-05-10-123_2.txt"],
    ["/c/%E0%A4%A", "%E0%A4%A"],
    ["/c/", null],
    ["/elsewhere/x", null],
])("the address %s opens %s", (address, conversation) => {
    expect(parseRoute(address)).toEqual({ conversation, message: null });
});

it("a place in a conversation is an id of a message, and nothing else", () => {
    const message = "0123456789abcdef0123456789abcdef";
    expect(parseRoute("/c/a", `#${message}`)).toEqual({ conversation: "a", message });
    expect(parseRoute("/c/a", "#once=1")).toEqual({ conversation: "a", message: null });
    expect(parseRoute("/", `#${message}`)).toEqual({ conversation: null, message: null });
});
