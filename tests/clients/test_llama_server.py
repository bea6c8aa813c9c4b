"""[W90] [W91] what clients of llama-server ask besides answers."""


HELLO = [{"role": "system", "content": "Be short"}, {"role": "user", "content": "Hi there"}]


def test_w90_tokens_and_back(plain):
    tokens = plain.post("/tokenize", {"content": "Hi there", "add_special": True}).json()["tokens"]
    assert len(tokens) == 2 and all(isinstance(token, int) for token in tokens)
    assert plain.post("/detokenize", {"tokens": [0, 2]}).json() == {"content": " one three"}
    assert plain.post("/tokenize", {"content": ""}).json() == {"tokens": []}


def test_w90_the_prompt_of_messages(plain):
    assert plain.post("/apply-template", {"messages": HELLO}).json() == {"prompt": "system: Be short\nuser: Hi there\n"}


WRONG = [
    ("/tokenize", {}),
    ("/tokenize", {"content": 5}),
    ("/tokenize", {"content": "a", "with_pieces": True}),
    ("/detokenize", {"tokens": "a"}),
    ("/detokenize", {"tokens": [-1]}),
    ("/detokenize", {"tokens": ["a"]}),
    ("/apply-template", {"messages": []}),
]


def test_w90_wrong_questions_are_400(plain):
    for path, body in WRONG:
        answer = plain.post(path, body)
        assert answer.status_code == 400 and answer.json()["error"], (path, body, answer.text)


def test_w90_an_unknown_model_is_a_404_and_a_bad_one_an_error(serve, script):
    server = serve(script(tokens=["a"], load_error={"code": "model_corrupt", "text": "it is cut short"}))
    assert server.post("/tokenize", {"content": "a", "model": "none"}).status_code == 404
    answer = server.post("/tokenize", {"content": "a"})
    assert answer.status_code == 500 and "cut short" in answer.json()["error"]


def test_w91_how_the_server_is(plain):
    assert plain.get("/slots").json() == [] and plain.get("/props").json()["total_slots"] == 0
    plain.post("/tokenize", {"content": "a"})
    props = plain.get("/props").json()
    assert props["default_generation_settings"]["n_ctx"] == 8192 and props["total_slots"] == 8
    assert [slot["is_processing"] for slot in plain.get("/slots").json()] == [False] * 8
