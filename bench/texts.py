"""What the servers are asked."""

STORY = "Tell me a story about a river."
LINE_TOKENS = 12.4  # of one line of long_text, in the default model's vocabulary


def long_text(n_tokens, begin="Read this."):
    """A text of about so many tokens; a longer one begins with the shorter one."""
    lines = (f"Line {number}: the river passes {number * 7 % 10} mills." for number in range(round(n_tokens / LINE_TOKENS)))
    return " ".join([begin, *lines])


PARAGRAPH = ("The river runs from the hills to the sea, past mills and meadows, and nobody knows its name. In spring the water is high and brown, in "
             "summer it is low and clear, and children look for crayfish under the stones. ")
TEXTS = {"quote": f"Repeat the following text word for word.\n\n{PARAGRAPH * 2}",
         "edit": f"Write the following text again, and write lake in the place of river.\n\n{PARAGRAPH * 2}",
         "code": "Write this Python file again and change nothing:\n\n" + "\n".join(
             f"def area_{n}(width, height):\n    if width < 0 or height < 0:\n        raise ValueError('negative')\n    return width * height * {n}\n"
             for n in range(1, 9)),
         "prose": STORY}
