"""Makes the model of the live steps: mkgguf.py's chains of tokens, and two more.

"Write" calls the function write_file, as the agent example needs it; "SHOUT" reasons and then calls the tool shout with
one text named input, which is how a custom tool goes to a server without custom tools. In a chain every token has one
successor, hence the different places where equal text is split.

Run by `cargo xtask ci live` and `cargo xtask ci agent`: chain_model.py MKGGUF.PY MODEL.GGUF
"""

import sys

SOURCE, MODEL = sys.argv[1:]
CHAINS = {
    "write": ["<tool", '_call>\n{"name": "', "write_file", '", "argu', 'ments": {"path": "', "hello.txt", '", "content": "',
              "Hi", '"}}\n</', "tool_call>\n"],
    "shout": ["<think>\n", "It wants", " noise.", "\n</th", "ink>", "\n\n<tool_call>", '\n{"name": ', '"shout"',
              ', "arguments"', ': {"input": "', "a real", r' \u00e9 \"quoted\"', ' line"}', "}\n</t", "ool_call>"],
}
ENTRIES = "".join(
    f"{{% elif '{word}' in last.content and tools and last.role == 'user' %}}<|go_{name}|>"
    for word, name in [("Write", "write"), ("SHOUT", "shout")]
)


def replace(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{SOURCE} has {text.count(old)} times {old}"
    return text.replace(old, new)


with open(SOURCE, encoding="utf-8") as file:
    text = file.read()
text = replace(text, 'chain("long"', "".join(f"chain({name!r}, {parts!r})\n" for name, parts in CHAINS.items()) + 'chain("long"')
entry = "{% elif tools and last.role != 'tool' %}"
text = replace(text, entry, ENTRIES + entry)
sys.argv = [SOURCE, MODEL]
exec(compile(text, SOURCE, "exec"), {"__name__": "__main__", "__file__": SOURCE})
