"""OpenAI's Python library against tachikoma-openai-mock: what a client of stored responses and WebSockets does.

Usage: python openai_python.py http://127.0.0.1:8080/v1
"""

import sys

from openai import BadRequestError, NotFoundError, OpenAI

MODEL = "gpt-5.6-terra"


def stored_responses(client):
    first = client.responses.create(model=MODEL, input="Say hello")
    second = client.responses.create(model=MODEL, input="And now?", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    assert second.usage.input_tokens > first.usage.input_tokens
    assert client.responses.retrieve(first.id) == first
    items = list(client.responses.input_items.list(second.id, order="asc"))
    assert [item.role for item in items] == ["user", "assistant", "user"], items

    client.responses.delete(first.id)
    for attempt in (
        lambda: client.responses.retrieve(first.id),
        lambda: client.responses.input_items.list(first.id),
    ):
        try:
            attempt()
        except NotFoundError:
            continue
        raise AssertionError("a deleted response was found")
    try:
        client.responses.create(model=MODEL, input="And now?", previous_response_id=first.id)
    except BadRequestError as error:
        assert error.code == "previous_response_not_found", error
    else:
        raise AssertionError("a deleted response was continued")


def conversations(client):
    conversation = client.conversations.create(items=[{"role": "user", "content": "Say hello"}])
    client.responses.create(model=MODEL, input="And now?", conversation=conversation.id)
    items = list(client.conversations.items.list(conversation.id, order="asc"))
    assert [item.role for item in items] == ["user", "user", "assistant"], items
    assert client.conversations.delete(conversation.id).deleted


def resumed_stream(client):
    whole = list(client.responses.create(model=MODEL, input="Tell me more", stream=True))
    response_id = whole[0].response.id
    for number in (0, 2, len(whole) - 2):
        rest = list(client.responses.retrieve(response_id, stream=True, starting_after=number))
        assert rest == whole[number + 1 :], number


def background(client):
    response = client.responses.create(model=MODEL, input="Think", background=True)
    statuses = [response.status]
    while statuses[-1] in ("queued", "in_progress"):
        statuses.append(client.responses.retrieve(response.id).status)
    assert statuses == ["queued", "in_progress", "completed"], statuses
    other = client.responses.create(model=MODEL, input="Think again", background=True)
    assert client.responses.cancel(other.id).status == "cancelled"


def compaction(client):
    turns = [
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": "Hello Ada. " * 100},
        {"role": "user", "content": "What is my name?"},
    ]
    compacted = client.responses.compact(model=MODEL, input=turns)
    assert [item.type for item in compacted.output] == ["message", "message", "compaction"]
    counts = [
        client.responses.input_tokens.count(model=MODEL, input=input).input_tokens
        for input in (turns, [item.to_dict(warnings=False) for item in compacted.output])
    ]
    assert counts[0] == compacted.usage.input_tokens and counts[1] < counts[0], counts

    response = client.responses.create(
        model=MODEL,
        input="x" * 5000,
        context_management=[{"type": "compaction", "compact_threshold": 1000}],
    )
    assert [item.type for item in response.output] == ["compaction", "message"]


def websocket(client):
    def completed(connection, lane):
        for event in connection:
            assert event.type != "error", event
            if event.type == "response.completed" and event.to_dict().get("stream_id") == lane:
                return event.response

    with client.responses.connect() as connection:
        connection.response.create(model=MODEL, input=[], generate=False, store=False)
        response = completed(connection, None)
        assert response.output == []
        # Each turn sends what is new alone.
        for text in ("Say hello", "And now?"):
            connection.response.create(
                model=MODEL, input=text, previous_response_id=response.id, store=False
            )
            before, response = response, completed(connection, None)
            assert response.previous_response_id == before.id
        # Two lanes fork from the same response.
        for lane in ("a", "b"):
            connection.response.create(
                model=MODEL, input=lane, previous_response_id=response.id, store=False, stream_id=lane
            )
        ended = set()
        for event in connection:
            assert event.type != "error", event
            if event.type == "response.completed":
                ended.add(event.to_dict()["stream_id"])
            if ended == {"a", "b"}:
                break
        connection.response.create(model=MODEL, input="hi", previous_response_id="resp_unknown")
        error = connection.recv()
        assert (error.type, error.error.code) == ("error", "previous_response_not_found"), error


def main():
    client = OpenAI(base_url=sys.argv[1], api_key="sk-mock", max_retries=0)
    for check in (stored_responses, conversations, resumed_stream, background, compaction, websocket):
        check(client)
        print(f"{check.__name__}: passed")


if __name__ == "__main__":
    main()
