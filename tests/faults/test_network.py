"""Connections that break: however often and wherever they are cut, every reader ends with the same bytes (P2, P5, P7)."""

import random

import pytest

from harness import proof
from harness.clients import Native
from harness.followers import NativeFollower, SseFollower, WatchFollower, follow_all
from harness.proxy import Plan
from harness.trace import Trace

# The tests say this again and again; each token is another text, so that a token that moved is seen.
TALE = [f" word{number}" + ("\n" if number % 17 == 0 else "") + "é🌊"[: number % 3] for number in range(97)]


def said(n_tokens):
    return "".join(TALE[number % len(TALE)] for number in range(n_tokens))


def random_cuts(seed, least, most):
    chance = random.Random(seed)
    return lambda number: Plan(cut_after=chance.randint(least, most), how=chance.choice(["fin", "rst"]))


class Cutting:
    """A proxy that cuts every connection, until there were so many; then they all live."""

    def __init__(self, proxy, server, seed, n_cuts, on_enough, least=200, most=6000):
        self.n_left, self.on_enough = n_cuts, on_enough
        self.cuts = random_cuts(seed, least, most)
        self.proxy = proxy(server, self.plan)

    def plan(self, number):
        if self.proxy.n_cuts >= self.n_left:
            if self.on_enough:
                self.on_enough()
                self.on_enough = None
            return None
        return self.cuts(number)


@pytest.mark.parametrize("hows", ["native", "watch", "sse", "all"])
def test_f25_p02_a_thousand_disconnects_in_one_answer(serve, script, proxy, seed, is_long, hows):
    """F25. Cut at random bytes, by FIN and by RST, while the answer is written: no repeat, no hole, the same bytes for all."""
    n_cuts = (10_000 if is_long else 1000) if hows == "all" else (2500 if is_long else 250)
    tale = script(tokens=TALE, count=1_000_000, context_size=2_000_000, token_ms=2)
    server = serve(tale)
    trace = Trace()
    with Native(server, trace=trace) as client:
        ack = client.begin("Tell me all")
        client.until_seq(2)

        def stop():
            server.post("/api/chat/cancel", {"generation_id": ack["generation"]})

        cutting = Cutting(proxy, server, seed, n_cuts, stop)
        named = {"port": cutting.proxy.port, "seed": seed}
        at = {"generation": ack["generation"], "epoch": client.epoch}
        make = {
            "native": lambda name: NativeFollower(trace, name, server.port, ack["conversation"], **named),
            "watch": lambda name: WatchFollower(trace, name, server.port, ack["conversation"], **named),
            "sse": lambda name: SseFollower(trace, name, server.port, ack["conversation"], **at, **named),
        }
        kinds = [hows] if hows != "all" else list(make)
        followers = follow_all([make[kind](f"{kind} {number}") for kind in kinds for number in range(4)])
        client.until("end")
    assert cutting.proxy.n_cuts >= n_cuts
    assert sum(follower.n_connects for follower in followers) >= n_cuts
    assert all(follower.n_resets == 0 for follower in followers)
    server.stop()
    stored = proof.prove(server.data, trace, all_ended=True)
    answer = stored.generations[ack["generation"]]
    assert answer.text.decode() == said(answer.last_seq - 2) and answer.reason == "cancelled"
    assert all((follower.generation, follower.seq) >= (answer.id, answer.last_seq - 1) for follower in followers)
