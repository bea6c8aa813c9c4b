"""[O4] [O8] [O10] [W77] langchain-openai, which many programs are built on: it adds fields of its own, and reads chunks more strictly than the client below it."""

import pytest
from pydantic import create_model

from clients.test_streams import TEXT
from clients.test_structured import WHOLE, Weather
from harness.script import KINDS
from harness.wait import wait_until


@pytest.fixture(scope="module")
def server(server_of):
    form = Weather(**WHOLE).model_dump_json()
    return server_of(
        {
            "bytes": {"tokens": [{"hex": f"{byte:02x}"} for byte in TEXT.encode()], "prompt_tokens": 7},
            "kinds": {"tokens": KINDS},
            "form": {"tokens": [form[i : i + 5] for i in range(0, len(form), 5)]},
            "echo": {"echo": True},
            "slow": {"tokens": [" word"], "count": 100000, "token_ms": 50},
        }
    )


@pytest.fixture(params=[False, True], ids=["chat", "responses"])
def chat_of(server, request):
    from langchain_openai import ChatOpenAI  # It takes seconds to come: only where it is used.

    def make(model, **options):
        return ChatOpenAI(base_url=f"{server.url}/v1", api_key="none", model=model, max_retries=0, use_responses_api=request.param, **options)

    return make


def test_text_streams_whole_and_is_counted(chat_of):
    said = None
    for chunk in chat_of("bytes", stream_usage=True).stream("Hi"):
        said = chunk if said is None else said + chunk
    assert said.text == TEXT
    assert (said.usage_metadata["input_tokens"], said.usage_metadata["output_tokens"]) == (7, len(TEXT.encode()))


def test_a_call_is_made_and_answered(chat_of):
    def get_weather(city: str) -> str:
        """The weather of a city."""
        return f"rain in {city}"

    call = chat_of("kinds").bind_tools([get_weather], tool_choice="any").invoke("How is it?")
    assert [(one["name"], one["args"]) for one in call.tool_calls] == [("get_weather", {"city": "Bern"})]
    answered = {"role": "tool", "content": get_weather(**call.tool_calls[0]["args"]), "tool_call_id": "call_1"}
    history = [("system", "Be short."), ("user", "How is it?"), call, answered]
    assert chat_of("echo").bind_tools([get_weather]).invoke(history).text == "rain in Bern"


def test_an_answer_in_a_form(chat_of):
    assert chat_of("form").with_structured_output(Weather, method="json_schema").invoke("How is it?") == Weather(**WHOLE)
    called = create_model("get_weather", city=str)
    assert chat_of("kinds").with_structured_output(called, method="function_calling").invoke("How is it?").city == "Bern"


def test_w100_vectors(server):
    from langchain_openai import OpenAIEmbeddings

    # Without this it cuts texts itself, into the tokens of another model.
    vectors = OpenAIEmbeddings(base_url=f"{server.url}/v1", api_key="none", model="form", check_embedding_ctx_length=False)
    assert [len(vector) for vector in vectors.embed_documents(["one two", "three"])] == [16, 16]


def test_o5_who_goes_away_in_the_middle_frees_the_engine(server, chat_of):
    stream = chat_of("slow", store=False).stream("Hi")
    next(stream)
    stream.close()
    wait_until(lambda: server.n_running() == 0)
