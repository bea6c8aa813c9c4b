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
    expect(parseRoute(address)).toEqual({ conversation });
});
