"""llama-server's own page, with a stand-in for the server behind it: the page's built files, the few answers that it asks for at its start,
and a completion that streams given tokens at a given rate, in the form that llama-server gives them (`timings_per_token` included).

The page keeps its conversations in the browser (IndexedDB): a conversation is put there before it is opened.
"""
import http.server
import json
import pathlib
import threading
import time

MODEL = "fake"
CONVERSATION = "11111111-2222-3333-4444-555555555555"
STORE = """async ([conversation, messages]) => {
    const opened = await new Promise((resolve, reject) => {
        const request = indexedDB.open("LlamaUi");
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
    const change = opened.transaction(["conversations", "messages"], "readwrite");
    change.objectStore("conversations").put(conversation);
    for (const message of messages) change.objectStore("messages").put(message);
    await new Promise((resolve, reject) => { change.oncomplete = resolve; change.onerror = () => reject(change.error); });
    opened.close();
}"""
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".svg": "image/svg+xml",
         ".woff2": "font/woff2", ".webmanifest": "application/manifest+json"}


def stored(history):
    """The conversation as the page stores it: a root without text, then a chain."""
    ids = ["root"] + [f"message-{number}" for number in range(len(history))]
    begin_ms = int(time.time() * 1000) - len(history) * 1000
    messages = [{"id": "root", "convId": CONVERSATION, "type": "root", "role": "system", "content": "", "parent": None, "timestamp": begin_ms,
                 "children": ids[1:2], "toolCalls": ""}]
    for number, message in enumerate(history, 1):
        messages.append({**message, "id": ids[number], "convId": CONVERSATION, "type": "text", "timestamp": begin_ms + number * 1000,
                         "parent": ids[number - 1], "children": ids[number + 1:number + 2], "toolCalls": ""})
    return {"id": CONVERSATION, "name": "A long one", "lastModified": begin_ms, "currNode": ids[-1]}, messages


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body, kind="application/json", status=200):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        known = {
            "/health": {"status": "ok"}, "/slots": [], "/tools": [],
            "/v1/models": {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "bench"}], "models": [{"model": MODEL, "name": MODEL}]},
            "/props": {"default_generation_settings": {"n_ctx": 1_000_000, "params": {}}, "total_slots": 1, "model_path": MODEL, "role": "model",
                       "model_alias": MODEL, "modalities": {"vision": False, "audio": False}, "chat_template": "", "build_info": "bench"},
        }
        if path in known:
            return self.answer(known[path])
        if path.startswith("/v1/"):
            return self.answer({"error": {"code": 404, "message": "not here"}}, status=404)
        file = self.server.page / path.lstrip("/")
        file = file if file.is_file() else self.server.page / "index.html"
        return self.answer(file.read_bytes(), TYPES.get(file.suffix, "application/octet-stream"))

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.path.endswith("/chat/completions"):
            return self.answer([] if self.path.endswith("/lookup") else {})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            self.stream()
        except OSError:
            pass
        self.close_connection = True

    def stream(self):
        begin = time.monotonic()
        rate = self.server.rate
        for number, token in enumerate(self.server.tokens, 1):
            time.sleep(max(0, begin + number / rate - time.monotonic()))
            timings = {"cache_n": 0, "prompt_n": 10, "prompt_ms": 5.0, "prompt_per_second": 2000.0, "predicted_n": number,
                       "predicted_ms": number * 1000 / rate, "predicted_per_token_ms": 1000 / rate, "predicted_per_second": rate}
            self.event({"choices": [{"index": 0, "finish_reason": None, "delta": {"content": token}}], "timings": timings})
        self.event({"choices": [{"index": 0, "finish_reason": "stop", "delta": {}}]})
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, fields):
        whole = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, **fields}
        self.wfile.write(b"data: " + json.dumps(whole).encode() + b"\n\n")
        self.wfile.flush()


class Peer:
    ANSWER = "[aria-label='Assistant message with actions'] .markdown-content"

    def __init__(self, page, tokens, rate):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.page, self.server.tokens, self.server.rate = pathlib.Path(page), tokens, rate
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.base = f"http://127.0.0.1:{self.server.server_port}"

    def open_conversation(self, page, history):
        page.goto(self.base)
        page.locator("textarea").first.wait_for()
        page.evaluate(STORE, stored(history))
        page.goto("about:blank")
        page.goto(f"{self.base}/#/chat/{CONVERSATION}")
        page.locator(self.ANSWER).last.wait_for()
        page.wait_for_timeout(3000)

    def ask(self, page, text):
        box = page.locator("textarea").first
        box.fill(text)
        box.press("Enter")

    def stop(self):
        self.server.shutdown()
