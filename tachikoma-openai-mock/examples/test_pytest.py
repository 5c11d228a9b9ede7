"""Tests of code that calls OpenAI, with pytest and OpenAI's own library against tachikoma-openai-mock.

    pip install pytest openai
    cargo install tachikoma-openai-mock      # or name the program in TACHIKOMA_OPENAI_MOCK
    pytest test_pytest.py
"""

import json
import os
import subprocess
import urllib.request

import openai
import pytest

MODEL = "gpt-4o"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Mock:
    """The program on a free port, and its control over HTTP."""

    def __init__(self):
        program = os.environ.get("TACHIKOMA_OPENAI_MOCK", "tachikoma-openai-mock")
        command = [program, "--port", "0", "--chunk-delay", "0s"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        # The first line is "Listening on http://127.0.0.1:PORT/v1".
        self.base_url = self.process.stdout.readline().split()[-1]

    def control(self, method, path, body=None):
        url = self.base_url.removesuffix("/v1") + "/mock/" + path
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method)) as response:
            text = response.read()
        return json.loads(text) if text else None

    def script(self, *replies, fallback=True):
        self.control("PUT", "script", {"fallback": fallback, "replies": replies})

    @property
    def requests(self):
        return self.control("GET", "requests")


@pytest.fixture(scope="session")
def server():
    mock = Mock()
    yield mock
    mock.process.terminate()
    assert mock.process.wait(timeout=10) == 0


@pytest.fixture
def mock(server):
    """The server as it was at its start: no test sees the script or the requests of another."""
    server.control("POST", "reset")
    return server


@pytest.fixture
def client(mock):
    return openai.OpenAI(base_url=mock.base_url, api_key="sk-any-key")


def ask(client, text, **options):
    return client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": text}], **options
    )


def test_a_plain_reply(mock, client):
    mock.script({"text": "Oslo is the capital of Norway."})
    assert ask(client, "Capital of Norway?").choices[0].message.content == "Oslo is the capital of Norway."


def test_a_stream(mock, client):
    mock.script({"text": "One two three."}, {"text": "Four five."})
    chunks = ask(client, "Count", stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "One two three."
    with client.responses.stream(model=MODEL, input="Go on") as events:
        assert events.get_final_response().output_text == "Four five."


def test_a_tool_call(mock, client):
    mock.script(
        # The order does not matter: each request gets the first reply that it matches.
        {"match": {"tool_result": True}, "text": "It is sunny in Oslo."},
        {"tool_calls": [{"name": "get_weather", "arguments": {"city": "Oslo"}}]},
    )
    messages = [{"role": "user", "content": "Weather in Oslo?"}]
    first = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER]).choices[0]
    assert first.finish_reason == "tool_calls"
    (call,) = first.message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Oslo"}

    messages += [first.message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    second = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    assert second.choices[0].message.content == "It is sunny in Oslo."


def test_a_rate_limit_is_retried(mock, client):
    mock.script(
        {
            "error": {"status": 429, "code": "rate_limit_exceeded", "message": "Slow down."},
            "headers": {"retry-after-ms": "10", "retry-after": "1"},
        },
        {"text": "Here I am."},
    )
    assert ask(client, "hi").choices[0].message.content == "Here I am."
    assert len(mock.requests) == 2

    mock.script({"error": {"status": 429, "code": "insufficient_quota"}, "headers": {"retry-after": "1"}})
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client.with_options(max_retries=0), "hi")
    assert caught.value.code == "insufficient_quota"
    assert caught.value.response.headers["retry-after"] == "1"


def test_what_the_client_has_sent(mock, client):
    ask(client, "Hello", temperature=0, user="ada")
    (request,) = mock.requests
    assert (request["method"], request["path"]) == ("POST", "/v1/chat/completions")
    assert request["headers"]["authorization"] == "Bearer ***"
    assert (request["body"]["temperature"], request["body"]["user"]) == (0, "ada")


def test_a_broken_stream(mock, client):
    mock.script({"text": "One two three.", "fault": "truncate=2,reset"})
    with pytest.raises(openai.APIConnectionError):
        list(ask(client, "Count", stream=True))


def test_a_request_that_openai_would_refuse(client):
    with pytest.raises(openai.BadRequestError, match="Unrecognized request argument supplied: temprature"):
        ask(client, "hi", extra_body={"temprature": 0})
