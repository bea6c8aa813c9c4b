"""[W100] [W101] vectors of texts, asked for with OpenAI's and Ollama's own clients."""

import base64
import math
import struct

import httpx
import ollama
import openai
import pytest

from harness.wait import wait_until


@pytest.fixture
def server(serve, script):
    return serve(script(tokens=["x"], context_size=8))


def length(vector):
    return math.sqrt(sum(x * x for x in vector))


def test_w100_openai_texts_and_tokens(server, client_of):
    client = client_of(server)
    one = client.embeddings.create(model="default", input="one two")
    assert one.object == "list" and one.model and len(one.data) == 1 and one.data[0].index == 0
    assert (one.usage.prompt_tokens, one.usage.total_tokens) == (2, 2)
    vector = one.data[0].embedding
    assert len(vector) == 16 and math.isclose(length(vector), 1, rel_tol=1e-6)
    many = client.embeddings.create(model="default", input=["one two", "three", "one two"])
    assert [item.index for item in many.data] == [0, 1, 2] and many.usage.prompt_tokens == 5
    assert many.data[0].embedding == many.data[2].embedding == vector != many.data[1].embedding
    tokens = client.embeddings.create(model="default", input=[7, 7, 7])
    assert tokens.usage.prompt_tokens == 3 and tokens.data[0].embedding[7] == 1
    lists = client.embeddings.create(model="default", input=[[7], [8, 9]])
    assert lists.usage.prompt_tokens == 3 and lists.data[0].embedding[7] == 1 and lists.data[1].embedding[8] > 0.7


def test_w100_both_encodings_are_the_same_vector(server, client_of):
    client = client_of(server)
    asked = {"model": "default", "input": ["one two three"]}
    floats = client.embeddings.create(**asked, encoding_format="float").data[0].embedding
    raw = httpx.post(f"{server.url}/v1/embeddings", json={**asked, "encoding_format": "base64", "user": "u"}).json()
    packed = struct.unpack("<16f", base64.b64decode(raw["data"][0]["embedding"]))
    assert list(packed) == [struct.unpack("f", struct.pack("f", x))[0] for x in floats]
    short = client.embeddings.create(**asked, dimensions=12).data[0].embedding
    assert len(short) == 12 and math.isclose(length(short), 1, rel_tol=1e-6)


def test_w100_more_texts_than_the_engine_takes_at_once(server, client_of):
    texts = [f"word{number}" for number in range(100)]
    many = client_of(server).embeddings.create(model="default", input=texts)
    assert [item.index for item in many.data] == list(range(100)) and many.usage.prompt_tokens == 100
    assert many.data[99].embedding == client_of(server).embeddings.create(model="default", input=texts[99]).data[0].embedding


@pytest.mark.parametrize(
    "body,param,code",
    [
        ({}, "input", None),
        ({"input": ""}, "input", None),
        ({"input": []}, "input", None),
        ({"input": {"text": "a"}}, "input", None),
        ({"input": ["a", 7]}, "input", None),
        ({"input": [-1]}, "input", None),
        ({"input": ["a"] * 2049}, "input", None),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format", None),
        ({"input": "a", "dimensions": 0}, "dimensions", None),
        ({"input": "a", "dimensions": 17}, "dimensions", None),
        ({"input": "a b c d e f g h i"}, "input", "context_length_exceeded"),
    ],
)
def test_w100_what_is_refused_says_why(server, client_of, body, param, code):
    with pytest.raises(openai.BadRequestError) as caught:
        client_of(server).post("/embeddings", body={"model": "default", **body}, cast_to=object)
    assert caught.value.param == param and caught.value.code == code and caught.value.body["message"]


def test_w100_an_unknown_model_is_not_found(server, client_of):
    with pytest.raises(openai.NotFoundError) as caught:
        client_of(server).embeddings.create(model="none", input="a")
    assert caught.value.code == "model_not_found"


def test_w100_a_client_that_leaves_takes_its_texts_back(serve, script, tmp_path):
    server = serve(script(tokens=["x"], start_gate=str(tmp_path / "never")))
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.url}/v1/embeddings", json={"input": "a"}, timeout=httpx.Timeout(60, read=0.5))
    wait_until(lambda: "embed_cancelled" in server.stderr(), why="the engine goes on with it")


def test_w101_ollama(server):
    client = ollama.Client(server.url)
    made = client.embed("default", ["one two", "three"])
    assert len(made.embeddings) == 2 and made.prompt_eval_count == 3 and made.model == "default" and made.total_duration > 0
    assert math.isclose(length(made.embeddings[0]), 1, rel_tol=1e-6)
    assert client.embed("default:latest", "one two").embeddings[0] == made.embeddings[0]
    assert list(client.embeddings("default", "one two").embedding) == list(made.embeddings[0])
    assert len(client.embed("default", "one", dimensions=16).embeddings[0]) == 16
    assert client.embed("default", "a b c d e f g h i").prompt_eval_count == 8
    assert client.embed("default", "").embeddings == [] and list(client.embeddings("default", "").embedding) == []


def test_w101_refusals_are_a_text(server):
    client = ollama.Client(server.url)
    for wrong, status in [
        (lambda: client.embed("none", "a"), 404),
        (lambda: client.embed("default", "a b c d e f g h i", truncate=False), 400),
        (lambda: client.embed("default", "a", dimensions=17), 400),
        (lambda: client.embed("default", [""]), 400),
    ]:
        with pytest.raises(ollama.ResponseError) as caught:
            wrong()
        assert caught.value.status_code == status and caught.value.error
