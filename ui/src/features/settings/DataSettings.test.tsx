// @vitest-environment happy-dom
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import type { ChatClient } from "../../chat/client";
import { ServicesContext } from "../useClient";
import { DataSettings, importWords } from "./DataSettings";

afterEach(cleanup);

it("[W63] says what came in, what was there and what could not be read", () => {
    const result = { imported: 1, skipped: 0, failedCount: 0, failed: [] };
    expect(importWords(result)).toBe("1 conversation imported.");
    expect(importWords({ ...result, imported: 0, skipped: 1 })).toBe(
        "0 conversations imported, 1 was here already.",
    );
    expect(importWords({ ...result, imported: 2, skipped: 3, failedCount: 4 })).toBe(
        "2 conversations imported, 3 were here already, 4 could not be read:",
    );
});

it("[W63] a file that is refused is said in the server's sentence, and the list is not read again", async () => {
    const importFile = vi.fn(() => Promise.reject(new Error("the file ends in the middle")));
    const refresh = vi.fn();
    const client = { rest: { importFile }, list: { refresh } };
    render(
        <ServicesContext value={{ client: client as unknown as ChatClient, navigate: vi.fn() }}>
            <DataSettings />
        </ServicesContext>,
    );
    const files = [new File(["[1"], "a.json")];
    await act(async () => fireEvent.change(screen.getByTestId("import-input"), { target: { files } }));
    expect(screen.getByRole("alert").textContent).toBe("the file ends in the middle");
    expect(refresh).not.toHaveBeenCalled();
});
