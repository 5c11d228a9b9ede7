"""Makes the model of the agent step: mkgguf.py's chain of tokens, with a tool call that writes a file.

Run by `cargo xtask ci agent`: agent_model.py MKGGUF.PY MODEL.GGUF
"""

import json
import re
import sys

SOURCE, MODEL = sys.argv[1:]
CALL = ["<tool_call>", '\n{"name": "', "write_file", '", "arguments": ', '{"path": "', "hello.txt", '", "content": "', "Hi",
        '"}', "}\n", "</tool_call>"]

with open(SOURCE, encoding="utf-8") as file:
    text, count = re.subn(r'chain\("tool", \[.*\]\)', lambda _: f'chain("tool", {json.dumps(CALL)})', file.read())
assert count == 1, f"{SOURCE} has {count} tool calls"
sys.argv = [SOURCE, MODEL]
exec(compile(text, SOURCE, "exec"), {"__name__": "__main__", "__file__": SOURCE})
