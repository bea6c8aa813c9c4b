// @vitest-environment happy-dom
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import type { ChatClient } from "../../chat/client";
import { Store } from "../../chat/store";
import type { Download } from "../../protocol/downloads";
import type { ModelStatus } from "../../protocol/frames";
import { type Histogram, type ModelFile, quantileMs, type Stats, serverCalls } from "../../protocol/server";
import { ServicesContext } from "../useClient";
import { describeDownload, wishOf } from "./Downloads";
import { shownLines } from "./LogTab";
import { ModelsTab } from "./ModelsTab";
import { rateOf } from "./MonitorTab";
import { snippetsOf } from "./ProgramsTab";

const MODEL: ModelFile = {
    path: "/m/one.gguf",
    name: "one",
    size: 2e9,
    architecture: "llama",
    parameters: 3.2e9,
    fileType: "Q4_K - Medium",
    contextLength: 8192,
    state: "none",
    progress: null,
    isPinned: false,
    isDefault: false,
    error: null,
    memory: { weights: 1.9e9, kv: 1e9, contextSize: 8192, needs: 3e9, has: 2e9, fits: false },
};
const DOWNLOAD: Download = {
    id: "a",
    file: "m.gguf",
    url: "https://host/m.gguf",
    state: "running",
    done: 1e9,
    total: 4e9,
    bytesPerSecond: 1e8,
    error: null,
};

async function setUp(models: ModelFile[], list: Download[] = []) {
    const calls = {
        models: vi.spyOn(serverCalls, "models").mockResolvedValue({ models, folder: "/m" }),
        actOnModel: vi.spyOn(serverCalls, "actOnModel").mockResolvedValue(),
        downloads: vi.spyOn(serverCalls, "downloads").mockResolvedValue(list),
        download: vi.spyOn(serverCalls, "download").mockResolvedValue(),
        actOnDownload: vi.spyOn(serverCalls, "actOnDownload").mockResolvedValue(),
    };
    const rest = {
        config: vi.fn(async () => ({ hub_url: "https://hub.example" })),
        saveConfig: vi.fn(async () => ({})),
    };
    const client = {
        rest,
        model: new Store<ModelStatus | null>(null),
        downloads: new Store<readonly Download[]>(list),
    };
    await act(async () => {
        render(
            <ServicesContext value={{ client: client as unknown as ChatClient, navigate: vi.fn() }}>
                <ModelsTab />
            </ServicesContext>,
        );
    });
    return { calls, client };
}

afterEach(() => {
    cleanup();
    vi.restoreAllMocks();
});

it("a model says what it is and whether it fits, and is deleted after a question only", async () => {
    const { calls } = await setUp([MODEL]);
    const card = screen.getByTestId("model-card");
    expect(card.textContent).toContain(
        "llama · 3.2 B parameters · Q4_K - Medium · trained for 8,192 tokens · 2.0 GB",
    );
    expect(card.textContent).toContain("Does not fit: about 3.0 GB of 2.0 GB");
    await act(async () => fireEvent.click(screen.getByText("Load")));
    await act(async () => fireEvent.click(screen.getByLabelText("Keep it loaded")));
    await act(async () => fireEvent.click(screen.getByLabelText("Delete the file")));
    expect(calls.actOnModel.mock.calls).toEqual([
        [expect.anything(), "load", MODEL.path],
        [expect.anything(), "pin", MODEL.path],
    ]);
    await act(async () => fireEvent.click(screen.getByTestId("model-delete")));
    expect(calls.actOnModel).toHaveBeenLastCalledWith(expect.anything(), "delete", MODEL.path);
});

it("one that is loaded is not deleted, and one that cannot be read says why", async () => {
    await setUp([
        { ...MODEL, state: "ready" },
        { ...MODEL, path: "/m/bad.gguf", name: "bad", error: "the file is cut short" },
    ]);
    const [loaded, bad] = screen.getAllByLabelText("Delete the file") as HTMLButtonElement[];
    expect([loaded?.disabled, bad?.disabled]).toEqual([true, false]);
    expect(screen.getByText("the file is cut short")).toBeTruthy();
    expect((screen.getByText("Load") as HTMLButtonElement).disabled).toBe(true);
});

it("a download is begun, followed, paused and taken away; when one is done the models are read again", async () => {
    const { calls, client } = await setUp([], [DOWNLOAD]);
    expect(screen.getByTestId("download").textContent).toContain("1.0 GB of 4.0 GB · 100 MB/s · 30 s left");
    fireEvent.click(screen.getByLabelText("Pause m.gguf"));
    fireEvent.click(screen.getByLabelText("Cancel m.gguf"));
    act(() =>
        client.downloads.set([
            { ...DOWNLOAD, state: "failed", bytesPerSecond: null, error: "there is no such file" },
        ]),
    );
    expect(screen.getByTestId("download").textContent).toContain(
        "Failed · 1.0 GB of 4.0 GB · there is no such file",
    );
    fireEvent.click(screen.getByLabelText("Resume m.gguf"));
    expect(calls.actOnDownload.mock.calls).toEqual([
        [expect.anything(), "pause", "a"],
        [expect.anything(), "cancel", "a"],
        [expect.anything(), "resume", "a"],
    ]);
    const before = calls.models.mock.calls.length;
    await act(async () => client.downloads.set([{ ...DOWNLOAD, state: "done" }]));
    expect(calls.models.mock.calls.length).toBeGreaterThan(before);
    fireEvent.change(screen.getByTestId("download-source"), { target: { value: "nonsense" } });
    await act(async () => fireEvent.click(screen.getByTestId("download-begin")));
    expect(calls.download).not.toHaveBeenCalled();
    fireEvent.change(screen.getByTestId("download-source"), { target: { value: "https://host/x.gguf" } });
    await act(async () => fireEvent.click(screen.getByTestId("download-begin")));
    expect(calls.download).toHaveBeenCalledWith(expect.anything(), { url: "https://host/x.gguf" });
});

it("a file of the hub asks for the hub, which is a setting of the server", async () => {
    const { client } = await setUp([]);
    expect(screen.queryByTestId("download-hub")).toBeNull();
    await act(async () => {
        fireEvent.change(screen.getByTestId("download-source"), { target: { value: "owner/name/x.gguf" } });
    });
    const field = screen.getByTestId("download-hub") as HTMLInputElement;
    expect(field.value).toBe("https://hub.example");
    fireEvent.change(field, { target: { value: "https://other.example" } });
    await act(async () => fireEvent.click(screen.getByText("Save the hub")));
    expect(client.rest.saveConfig).toHaveBeenCalledWith({ hub_url: "https://other.example" });
    expect(screen.getByText("Saved.")).toBeTruthy();
});

it("what is typed is an address or a file of the hub", () => {
    expect(wishOf(" https://h/a.gguf ", "")).toEqual({ url: "https://h/a.gguf" });
    expect(wishOf("owner/name/sub/a.gguf", "ab")).toEqual({
        repo: "owner/name",
        file: "sub/a.gguf",
        sha256: "ab",
    });
    expect([wishOf("a.gguf", ""), wishOf("owner/name", ""), wishOf("owner//a.gguf", "")]).toEqual([
        null,
        null,
        null,
    ]);
});

it("each state of a download has words", () => {
    expect(
        describeDownload({ ...DOWNLOAD, state: "queued", done: 0, total: null, bytesPerSecond: null }),
    ).toBe("Waits for the one before it");
    expect(describeDownload({ ...DOWNLOAD, state: "done", bytesPerSecond: null })).toBe("Done · 4.0 GB");
});

it("the speed is that between two looks, and a start anew is none", () => {
    const at = (tMs: number, tokens: number) => ({ tMs, tokens }) as Stats;
    expect(rateOf(at(1000, 10), at(3000, 50))).toBe(20);
    expect([
        rateOf(undefined, at(1, 5)),
        rateOf(at(9000, 50), at(9500, 1)),
        rateOf(at(5, 1), at(5, 2)),
    ]).toEqual([0, 0, 0]);
});

it("a quantile is the bound that it does not pass", () => {
    const bounds = [1, 2, 5];
    const of = (...counts: number[]): Histogram => ({ n: counts.reduce((a, b) => a + b, 0), counts });
    expect(quantileMs(of(5, 4, 1, 0), bounds, 0.5)).toBe(1);
    expect(quantileMs(of(5, 4, 1, 0), bounds, 0.95)).toBe(5);
    expect([quantileMs(of(0, 0, 0, 0), bounds, 0.5), quantileMs(of(0, 0, 0, 3), bounds, 0.5)]).toEqual([
        null,
        null,
    ]);
});

it("the log is filtered by how bad a line is and by words", () => {
    const line = (n: number, level: string, text: string) => ({ n, time: "", level, text });
    const lines = [line(1, "info", "ready url=x"), line(2, "warn", "Disk full"), line(3, "debug", "disk")];
    expect(shownLines(lines, "trace", "").length).toBe(3);
    expect(shownLines(lines, "warn", "").map(({ n }) => n)).toEqual([2]);
    expect(shownLines(lines, "trace", "DISK f").map(({ n }) => n)).toEqual([2]);
});

it("snippets name this server and this model", () => {
    const texts = snippetsOf("http://here:8000", 'a "model"').map(({ text }) => text);
    expect(texts[0]).toContain("http://here:8000/v1/chat/completions");
    expect(texts[1]).toContain('model="a \\"model\\""');
    expect(texts[2]).toContain("curl http://here:11434/api/chat \\\n  -d");
    expect(texts[3]).toContain("ws://here:8000/ws");
});
