"""OpenAI's Python library in the agent loop of benches/src/harness/agent, which starts this script.

Over HTTP each step sends the whole input. Over a WebSocket it sends the new items and the id of the response before, which the caller
has to keep. Prints the cost of each step as JSON: times in microseconds, memory in KB.
"""

import argparse
import json
import resource
import time

from openai import OpenAI

MODEL = "gpt-5.6-terra"
TASK = "Read all files of the project, one after the other, and say what each of them is for."
TOOL = {
    "type": "function",
    "name": "read",
    "description": "Reads a file of the project",
    "parameters": {
        "type": "object",
        "properties": {"number": {"type": "integer", "description": "The number of the file"}},
        "required": ["number"],
        "additionalProperties": False,
    },
    "strict": True,
}


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1e6


def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def result(step):
    line = f"{step}: let total = items.iter().map(|item| item.size).sum::<usize>();\n"
    return line * (2048 // len(line))


class Http:
    def __init__(self, url):
        self.client = OpenAI(base_url=url, api_key="sk-bench", max_retries=0)
        self.input = [{"role": "user", "content": TASK}]

    def request(self):
        return list(self.input)

    def respond(self, input):
        events = self.client.responses.create(model=MODEL, input=input, tools=[TOOL], store=False, stream=True)
        return completed(events)

    def append(self, call, output):
        self.input += [
            {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
            {"type": "function_call_output", "call_id": call.call_id, "output": output},
        ]


class WebSocket(Http):
    connection = None
    previous = None

    def respond(self, input):
        if self.connection is None:
            self.connection = self.client.responses.connect().enter()
        further = {} if self.previous is None else {"previous_response_id": self.previous}
        self.connection.response.create(model=MODEL, input=input, tools=[TOOL], store=False, **further)
        response = completed(self.connection)
        self.previous = response.id
        return response

    def append(self, call, output):
        self.input = [{"type": "function_call_output", "call_id": call.call_id, "output": output}]


def completed(events):
    last = None
    for event in events:
        assert event.type != "error", event
        if event.type == "response.completed":
            last = event.response
            if hasattr(events, "recv"):
                break
    return last


def step(agent, number):
    start = cpu()
    input = agent.request()
    prepared, sent = cpu(), time.perf_counter()
    response = agent.respond(input)
    latency, end = time.perf_counter() - sent, cpu()
    (call,) = response.output
    assert call.call_id == f"call_{number}", call
    agent.append(call, result(number))
    return prepared - start, end - prepared, latency * 1e6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", choices=["openai-python, HTTP", "openai-python, WebSocket"], required=True)
    parser.add_argument("--url", required=True)
    for name in ("--steps", "--runs", "--idle"):
        parser.add_argument(name, type=int, required=True)
    arguments = parser.parse_args()
    make = WebSocket if arguments.client.endswith("WebSocket") else Http
    first = make(arguments.url)
    step(first, 0)
    runs = []
    for _ in range(arguments.runs):
        agent = make(arguments.url)
        runs.append([step(agent, number) for number in range(arguments.steps)])
    means = [[sum(cost) / len(cost) for cost in zip(*costs)] for costs in zip(*runs)]
    caller, used, latency = zip(*means) if means else ((), (), ())
    connection = 0.0
    if arguments.idle:
        agents = [make(arguments.url) for _ in range(arguments.idle)]
        before = resident()
        for agent in agents:
            step(agent, 0)
        connection = (resident() - before) / arguments.idle
    found = {"cpu": used, "caller": caller, "latency": latency, "compare": [], "free": [], "connection": connection}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
