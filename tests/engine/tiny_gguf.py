"""A GGUF model of 100 KB that loads and answers: one layer, a vocabulary of bytes, weights from a seed. For files that are broken
on purpose: what is written here is right, and a test makes it wrong. As a program it writes the model to a file."""

import random
import struct
import sys
from pathlib import Path

WIDTH = 32
N_VOCAB = 3 + 256
U32, F32, STRING, ARRAY, I32 = 4, 6, 8, 9, 5
ALIGNMENT = 32


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def pair(key, kind, data):
    return text(key) + struct.pack("<I", kind) + data


def array(key, kind, items):
    return pair(key, ARRAY, struct.pack("<IQ", kind, len(items)) + b"".join(items))


def metadata(n_heads, chat_template, context_length, ids):
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    numbers = {
        "block_count": 1,
        "context_length": context_length,
        "embedding_length": WIDTH,
        "feed_forward_length": WIDTH,
        "attention.head_count": n_heads,
        "attention.head_count_kv": n_heads,
        "rope.dimension_count": WIDTH // n_heads,
        "vocab_size": N_VOCAB,
    }
    return [
        pair("general.architecture", STRING, text("llama")),
        pair("general.name", STRING, text("tiny")),
        *(pair(f"llama.{key}", U32, struct.pack("<I", value)) for key, value in numbers.items()),
        pair("llama.attention.layer_norm_rms_epsilon", F32, struct.pack("<f", 1e-5)),
        pair("tokenizer.ggml.model", STRING, text("llama")),
        array("tokenizer.ggml.tokens", STRING, [text(token) for token in tokens]),
        array("tokenizer.ggml.scores", F32, [struct.pack("<f", -float(i)) for i in range(N_VOCAB)]),
        array("tokenizer.ggml.token_type", I32, [struct.pack("<i", kind) for kind in [2, 3, 3] + [6] * 256]),
        pair("tokenizer.ggml.bos_token_id", U32, struct.pack("<I", 1)),
        pair("tokenizer.ggml.eos_token_id", U32, struct.pack("<I", 2)),
        *(pair(f"tokenizer.ggml.{key}_token_id", U32, struct.pack("<I", value)) for key, value in ids.items()),
        *([pair("tokenizer.chat_template", STRING, text(chat_template))] if chat_template else []),
    ]


def shapes():
    square = (WIDTH, WIDTH)
    layer = {f"attn_{part}": square for part in ("q", "k", "v", "output")}
    layer |= {f"ffn_{part}": square for part in ("gate", "up", "down")}
    layer |= {"attn_norm": (WIDTH,), "ffn_norm": (WIDTH,)}
    return {
        "token_embd.weight": (WIDTH, N_VOCAB),
        "output_norm.weight": (WIDTH,),
        "output.weight": (WIDTH, N_VOCAB),
        **{f"blk.0.{name}.weight": shape for name, shape in layer.items()},
    }


def tiny_model(seed=1, chat_template=None, context_length=256, n_heads=2, ids={}):
    """The bytes of the file, and how many of them are before the weights. `ids`: of more special tokens, by their names."""
    noise = random.Random(seed)
    pairs = metadata(n_heads, chat_template, context_length, ids)
    infos, weights = b"", b""
    for name, shape in shapes().items():
        weights += b"\0" * (-len(weights) % ALIGNMENT)
        dimensions = struct.pack(f"<{len(shape)}Q", *shape)
        infos += text(name) + struct.pack("<I", len(shape)) + dimensions + struct.pack("<IQ", 0, len(weights))
        n = WIDTH if len(shape) == 1 else shape[0] * shape[1]
        weights += struct.pack(f"<{n}f", *([1.0] * n if len(shape) == 1 else (noise.gauss(0, 0.3) for _ in range(n))))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes()), len(pairs)) + b"".join(pairs) + infos
    head += b"\0" * (-len(head) % ALIGNMENT)
    return head + weights, len(head)


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(tiny_model()[0])
