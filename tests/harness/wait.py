"""Waiting for what will be so, and no longer."""

import time


def wait_until(is_so, seconds=60, why=""):
    """Asks until the answer is true, and returns it. `why` is what a failure says; it may be a function."""
    limit = time.monotonic() + seconds
    while not (answer := is_so()):
        assert time.monotonic() < limit, why() if callable(why) else why
        time.sleep(0.02)
    return answer
