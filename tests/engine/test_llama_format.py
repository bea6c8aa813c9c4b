"""[E41] to [E45] on the real default model: answers that have to fit a schema, a grammar, or be a call; thoughts apart from content."""

import json
import time

import pytest
from engine_driver import Engine, generate, model_path, program
from tiny_gguf import tiny_model

pytestmark = pytest.mark.real

GREEDY = {"sampler_type": "Greedy"}
HOT = {"sampler_type": "Temperature", "temperature": 2.0, "seed": 7}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 120}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def ask(engine, id, content="Who are you?", **fields):
    engine.send(generate(id, content, **{"sampling": GREEDY, "max_tokens": 64, **fields}))
    return engine.end_of(id)


def schema(value):
    return {"type": "json_schema", "schema": value}


@pytest.mark.parametrize("sampling", [GREEDY, HOT], ids=["greedy", "hot"])
def test_e41_an_answer_fits_its_schema(loaded, sampling):
    id = f"schema-{sampling['sampler_type']}"
    end = ask(loaded, id, sampling=sampling, format=schema(PERSON))
    assert end["reason"] == "stop", end
    person = json.loads(loaded.text(id))
    assert set(person) == {"name", "age"} and isinstance(person["name"], str) and 0 <= person["age"] <= 120


def test_e41_json_object_and_grammar(loaded):
    end = ask(loaded, "object", "Give me an empty JSON object.", format={"type": "json_object"})
    if end["reason"] == "stop":
        assert isinstance(json.loads(loaded.text("object")), dict)
    assert loaded.text("object").lstrip().startswith("{")
    grammar = 'root ::= ("ja" | "nein") "!"{2}'
    assert ask(loaded, "grammar", format={"type": "grammar", "grammar": grammar})["reason"] == "stop"
    assert loaded.text("grammar") in ("ja!!", "nein!!")


def test_e41_an_answer_that_is_cut_goes_on_in_its_grammar(loaded):
    fields = {"sampling": {**HOT, "sampler_type": "ChainFull"}, "format": schema(PERSON)}
    ask(loaded, "whole", **fields)
    tokens = loaded.tokens("whole")
    end = ask(loaded, "rest", prefix={"tokens": tokens[:6]}, **fields)
    assert end["reason"] == "stop"
    said = [item["text"] for item in loaded.items("whole") if item["tok"] >= 0][:6]
    assert set(json.loads("".join(said) + loaded.text("rest"))) == {"name", "age"}


def nest(depth):
    value = {"type": "string"}
    for _ in range(depth):
        value = {"type": "object", "properties": {"a": value}}
    return value


@pytest.mark.parametrize(
    ("format", "says"),
    [
        (schema({"type": "nonsense"}), "schema"),
        (schema({"$ref": "https://example.org/x.json"}), "schema"),
        (schema({"$ref": "#/missing"}), "schema"),
        (schema(nest(20)), "nested"),
        (schema({"type": "string", "minLength": 1_000_000_000}), "too large"),
        (schema({"type": "array", "items": schema({})["schema"], "minItems": 100_000}), "too large"),
        (schema({"enum": ["x" * 1000] * 100}), "too large"),
        ({"type": "grammar", "grammar": 'root ::= "a'}, "line 1"),
        ({"type": "grammar", "grammar": "root ::= " + "(" * 1000 + '"a"' + ")" * 1000}, "too large"),
        ({"type": "grammar", "grammar": 'root ::= ((("a"{2000}){2000}){2000})'}, "too large"),
        ({"type": "grammar"}, "missing"),
        ({"type": "yaml"}, "format.type"),
    ],
)
def test_e41_a_bad_schema_is_an_error_before_the_first_token_and_takes_no_time(loaded, format, says):
    id = f"bad-{time.monotonic_ns()}"
    began = time.monotonic()
    end = ask(loaded, id, format=format)
    assert end["reason"] == "error" and end["error"]["code"] == "bad_request", end
    assert says in end["error"]["text"]
    assert not loaded.items(id)
    assert time.monotonic() - began < 20


def test_e41_an_object_of_many_optional_members(loaded):
    """The library's converter takes a time that rises with their third power."""
    many = {"type": "object", "properties": {f"field_{i}": {"type": "string"} for i in range(128)}}
    assert ask(loaded, "many", format=schema(many), max_tokens=4)["reason"] in ("length", "stop")
    many["properties"]["one_more"] = {}
    assert "members" in ask(loaded, "too-many", format=schema(many))["error"]["text"]


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]},
    },
}
TIME = {"type": "function", "function": {"name": "get_time", "description": "What time it is", "parameters": {"type": "object", "properties": {}}}}


def calls(engine, id):
    found = []
    for item in engine.items(id):
        piece = item.get("tool")
        if piece:
            if piece["index"] == len(found):
                found.append({"id": piece["id"], "name": piece["name"], "arguments": ""})
            else:
                assert "id" not in piece and "name" not in piece
            found[piece["index"]]["arguments"] += piece.get("arguments", "")
    return found


@pytest.mark.parametrize("choice", ["required", {"name": "get_weather"}], ids=["required", "named"])
def test_e42_a_required_call_is_made_by_a_model_that_knows_no_tools(loaded, choice):
    id = f"call-{json.dumps(choice)}"
    fields = {"tools": [WEATHER, TIME], "tool_choice": choice, "parallel_tool_calls": False}
    end = ask(loaded, id, "What is the weather in Paris?", **fields)
    assert end["reason"] == "stop", end
    (call,) = calls(loaded, id)
    assert call["id"].startswith("call_") and call["name"] in ("get_weather", "get_time")
    if call["name"] == "get_weather":
        assert isinstance(json.loads(call["arguments"])["city"], str)
    if choice != "required":
        assert call["name"] == "get_weather"
    assert all(not item.get("text") for item in loaded.items(id))
    assert len([item for item in loaded.items(id) if item["tok"] >= 0]) == end["usage"]["completion_tokens"]


def token_ids(engine, text):
    engine.send({"op": "tokenize", "id": text, "text": text})
    return engine.until(lambda event: event["ev"] == "tokens" and event["id"] == text)["tokens"]


@pytest.mark.parametrize("seed", range(4))
def test_e42_a_call_of_the_models_own_choice_has_its_form_from_its_mark_on(loaded, seed):
    """Hot, a model that knows no tools would say anything there."""
    id = f"auto-{seed}"
    fields = {"tools": [WEATHER], "tool_choice": "auto", "parallel_tool_calls": False, "sampling": {**HOT, "seed": seed}, "max_tokens": 120}
    said = token_ids(loaded, "Let me see. <tool_call>")
    end = ask(loaded, id, "What is the weather in Paris?", prefix={"tokens": said}, **fields)
    assert end["reason"] == "stop", end
    (call,) = calls(loaded, id)
    assert call["name"] == "get_weather" and isinstance(json.loads(call["arguments"])["city"], str)


def test_e42_without_a_mark_an_answer_is_free(loaded):
    fields = {"tools": [WEATHER], "tool_choice": "auto"}
    assert ask(loaded, "auto-free", "Say hello.", **fields)["reason"] in ("stop", "length")
    assert loaded.text("auto-free").strip() and not calls(loaded, "auto-free")


def test_e45_a_call_that_is_cut_goes_on_without_saying_anything_twice(loaded):
    fields = {"tools": [WEATHER], "tool_choice": "required", "parallel_tool_calls": False}
    ask(loaded, "cut-whole", "What is the weather in Paris?", **fields)
    items = loaded.items("cut-whole")
    n_named = next(i for i, item in enumerate(items) if "tool" in item) + 1
    for n in (3, n_named, len(items) - 2):
        said = items[:n]
        end = ask(loaded, f"cut-{n}", "What is the weather in Paris?", prefix={"tokens": [item["tok"] for item in said]}, **fields)
        rest = loaded.items(f"cut-{n}")
        assert end["reason"] == "stop"
        both = "".join(item["tool"].get("arguments", "") for item in said + rest if "tool" in item)
        assert isinstance(json.loads(both)["city"], str)
        assert sum("name" in item.get("tool", {}) for item in said + rest) == 1


def test_e42_history_with_calls_and_answers_reaches_the_prompt(loaded):
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Bern"}'}}
    messages = [
        {"role": "user", "content": "Weather in Bern?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "It is 17 degrees in Bern."},
    ]
    short = ask(loaded, "history-1", messages[:1], tools=[WEATHER], max_tokens=2)
    whole = ask(loaded, "history-3", messages, tools=[WEATHER], max_tokens=2)
    assert whole["usage"]["prompt_tokens"] > short["usage"]["prompt_tokens"] + 20
    assert ask(loaded, "history-none", messages, max_tokens=2)["reason"] == "length"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"tools": [{"type": "function", "function": {"name": "two words"}}]}, "name"),
        ({"tools": [WEATHER], "tool_choice": {"name": "other"}}, "no tool"),
        ({"tool_choice": "required"}, "no tools"),
        ({"tools": [WEATHER], "tool_choice": "maybe"}, "tool_choice"),
        ({"tools": [WEATHER], "format": {"type": "json_object"}}, "together"),
        ({"tools": [WEATHER] * 129}, "at most"),
    ],
)
def test_e42_tools_that_cannot_be_used_are_refused(loaded, fields, says):
    end = ask(loaded, f"refused-{time.monotonic_ns()}", **fields)
    assert end["error"]["code"] == "bad_request" and says in end["error"]["text"]


# ---- A model that thinks: a small one, in whose mouth words are put ----

THINKER = """{% for m in messages %}<|im_start|>{{ m.role }}
{% if m.reasoning_content is defined and m.reasoning_content %}<think>
{{ m.reasoning_content }}
</think>

{% endif %}{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% if enable_thinking is defined and not enable_thinking %}<think>

</think>

{% endif %}{% endif %}"""


def tokens_of(text):
    return [3 + byte for byte in text.encode()]


def tiny(tmp_path_factory, template):
    if not program("llama").exists():
        pytest.skip("runnel-engine-llama is not built")
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    path.write_bytes(tiny_model(3, template, 8192)[0])
    with Engine("llama") as engine:
        engine.load(path, context_size=8192)
        yield engine


@pytest.fixture(scope="module")
def thinker(tmp_path_factory):
    yield from tiny(tmp_path_factory, THINKER)


def spoken(engine, id):
    """What was thought and what was said."""
    items = engine.items(id)
    return "".join(item.get("reasoning", "") for item in items), "".join(item.get("text", "") for item in items)


ONLY_A = {**GREEDY, "logit_bias": {str(3 + ord("a")): 100}}


@pytest.mark.parametrize(
    ("said", "kind"),
    [("", "text"), ("<think>\nhm ", "reasoning"), ("<think>\nhm\n</think>\n\n", "text"), ("Hello", "text")],
)
def test_e45_thoughts_are_items_of_their_own(thinker, said, kind):
    id = f"think-{said}"
    end = ask(thinker, id, prefix={"tokens": tokens_of(said)}, sampling=ONLY_A, max_tokens=10)
    assert spoken(thinker, id) == (("a" * 10, "") if kind == "reasoning" else ("", "a" * 10))
    assert end["usage"]["completion_tokens"] == 10 and len(thinker.tokens(id)) == 10


def test_e45_reasoning_off_leaves_no_thoughts(thinker):
    ask(thinker, "off", reasoning="off", sampling=ONLY_A, max_tokens=5)
    assert spoken(thinker, "off") == ("", "aaaaa")


WHOLE = "<think>\nOne\n\nand two.\n</think>\n\nIt is <b>three</b>.\n"


def test_e45_thoughts_and_content_are_exact_and_go_on_from_every_cut(thinker):
    """The grammar says what the model says: the template's marks come as tokens of one byte, some of them held back."""
    fields = {"format": {"type": "json_schema", "schema": {"enum": ["x<y"]}}, "sampling": {**HOT, "sampler_type": "ChainFull"}}
    start = tokens_of("<think>\nOne</think>\n")
    ask(thinker, "whole", prefix={"tokens": start}, **fields)
    whole = thinker.items("whole")
    assert spoken(thinker, "whole")[1].strip() == '"x<y"'
    for n in range(1, len(whole), 3):
        tokens = start + [item["tok"] for item in whole[:n]]
        ask(thinker, f"cut-{n}", prefix={"tokens": tokens}, **fields)
        assert thinker.items(f"cut-{n}") == [{**item, "id": f"cut-{n}"} for item in whole[n:]], n


@pytest.mark.parametrize("cut", range(0, len(WHOLE) + 1, 2))
def test_e45_what_a_cut_holds_back_comes_later(thinker, cut):
    """Said so far, as a prefix; then one token more, and the end: nothing of the whole is lost, nothing comes twice."""
    id = f"held-{cut}"
    ask(thinker, id, prefix={"tokens": tokens_of(WHOLE[:cut])}, sampling=ONLY_A, max_tokens=1)
    thought, said = spoken(thinker, id)
    held = WHOLE[:cut] + "a"
    assert (thought + said) and held.endswith((thought + said).strip() or "a")


# As Qwen 2.5 and many others have it.
CALLER = """{% if tools %}<|im_start|>system
<tools>
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}</tools><|im_end|>
{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content or '' }}{% for call in m.tool_calls or [] %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


@pytest.fixture(scope="module")
def caller(tmp_path_factory):
    yield from tiny(tmp_path_factory, CALLER)


@pytest.mark.parametrize("seed", range(3))
def test_e42_a_template_that_knows_calls_has_them_fit_from_its_own_mark_on(caller, seed):
    id = f"known-{seed}"
    fields = {"tools": [WEATHER], "tool_choice": "auto", "sampling": {**HOT, "seed": seed}, "max_tokens": 900}
    end = ask(caller, id, prefix={"tokens": tokens_of("Well.\n<tool_call>\n")}, **fields)
    made = calls(caller, id)
    whole = made[:-1] if end["reason"] == "length" else made  # one that says nothing but calls may be cut in the last of them
    assert whole and all(call["name"] == "get_weather" and isinstance(json.loads(call["arguments"])["city"], str) for call in whole)


def test_e42_a_mark_in_a_thought_begins_no_call(thinker):
    fields = {"tools": [WEATHER], "tool_choice": "auto", "sampling": ONLY_A, "max_tokens": 10}
    end = ask(thinker, "thought-call", prefix={"tokens": tokens_of("<think>\n<tool_call>")}, **fields)
    assert end["reason"] == "length" and thinker.tokens("thought-call") == tokens_of("a" * 10)
    ask(thinker, "behind-thought", prefix={"tokens": tokens_of("<think>\n</think>\n<tool_call>")}, **fields)
    assert thinker.tokens("behind-thought") != tokens_of("a" * 10)
