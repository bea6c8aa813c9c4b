#!/usr/bin/env python3
"""Writes a model of the size that people use, with weights of noise: how fast it is depends on its shape alone.

usage: larger.py FROM.gguf TO.gguf

The package lists offer no model beyond 135 million parameters. TO gets the words and the chat template of FROM and the shape of Llama 3.2 1B with 22 of
TinyLlama's layers: 1.1 billion parameters in Q4_0, 0.6 GB. What it writes means nothing; bench.py --model TO measures it like any other.
"""
import sys

import gguf
import numpy as np

LAYERS, WIDTH, INNER, HEADS, HEADS_KV, HEAD = 22, 2048, 5632, 32, 8, 64
SHAPE = {
    "llama.block_count": LAYERS, "llama.embedding_length": WIDTH, "llama.feed_forward_length": INNER,
    "llama.attention.head_count": HEADS, "llama.attention.head_count_kv": HEADS_KV, "llama.rope.dimension_count": HEAD,
    "general.file_type": int(gguf.LlamaFileType.MOSTLY_Q4_0),
}
BLOCK, BLOCK_BYTES = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType.Q4_0]
SCALE = np.float16(0.004)  # of 16 levels: weights spread by about 0.02, as trained ones are


def noise(random, rows, columns):
    """Blocks of Q4_0: a scale, and two weights in each byte."""
    blocks = random.integers(0, 256, (rows, columns // BLOCK, BLOCK_BYTES), dtype=np.uint8)
    blocks[:, :, :2] = np.frombuffer(SCALE.tobytes(), dtype=np.uint8)
    return blocks.reshape(rows, -1)


def tensors(n_words):
    yield "token_embd", n_words, WIDTH
    for i in range(LAYERS):
        yield f"blk.{i}.attn_q", HEADS * HEAD, WIDTH
        yield f"blk.{i}.attn_k", HEADS_KV * HEAD, WIDTH
        yield f"blk.{i}.attn_v", HEADS_KV * HEAD, WIDTH
        yield f"blk.{i}.attn_output", WIDTH, HEADS * HEAD
        yield f"blk.{i}.ffn_gate", INNER, WIDTH
        yield f"blk.{i}.ffn_up", INNER, WIDTH
        yield f"blk.{i}.ffn_down", WIDTH, INNER


def copy_words(reader, writer):
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        kind, inner = field.types[0], field.types[-1] if len(field.types) > 1 else None
        writer.add_key_value(name, SHAPE.get(name, field.contents()), kind, sub_type=inner)


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    reader = gguf.GGUFReader(sys.argv[1])
    if reader.fields["general.architecture"].contents() != "llama":
        raise SystemExit(f"{sys.argv[1]} is not of the llama architecture: take the default model")
    writer = gguf.GGUFWriter(sys.argv[2], "llama")
    copy_words(reader, writer)
    random = np.random.default_rng(1)
    for name, rows, columns in tensors(reader.fields["llama.vocab_size"].contents()):
        writer.add_tensor(f"{name}.weight", noise(random, rows, columns), raw_dtype=gguf.GGMLQuantizationType.Q4_0)
    for name in ["output_norm", *(f"blk.{i}.{part}_norm" for i in range(LAYERS) for part in ("attn", "ffn"))]:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
