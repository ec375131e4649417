"""Asks a running `lavr serve` through the official clients, unmodified: OpenAI's and LangChain's, whole and streamed.

    python3 -m venv venv && venv/bin/pip install openai langchain-openai
    venv/bin/python tests/clients/openai_clients.py http://127.0.0.1:8321 tests/images/gallery.jpg
"""

import base64
import pathlib
import sys

from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from openai import APIStatusError, OpenAI

QUESTION = "How many people are there?"
ANSWER = "There are 3 people."


def check(name, got, expected):
    print(f"{name}: {got!r}")
    if got != expected:
        sys.exit(f"{name}: expected {expected!r}")


def main(base, picture):
    url = "data:image/jpeg;base64," + base64.b64encode(pathlib.Path(picture).read_bytes()).decode()
    content = [{"type": "text", "text": QUESTION}, {"type": "image_url", "image_url": {"url": url}}]
    messages = [{"role": "user", "content": content}]

    client = OpenAI(base_url=f"{base}/v1", api_key="none", timeout=300)
    check("openai, models", [model.id for model in client.models.list()], ["lavr"])
    reply = client.chat.completions.create(model="lavr", messages=messages, temperature=0)
    check("openai", reply.choices[0].message.content, ANSWER)
    check("openai, evidence", reply.lavr["claims"][0]["text"], ANSWER)
    if reply.usage.total_tokens <= 0:
        sys.exit("openai: no usage")

    stream = client.chat.completions.create(
        model="lavr", messages=messages, stream=True, stream_options={"include_usage": True}
    )
    text, events, usage = "", [], None
    for chunk in stream:
        usage = chunk.usage or usage
        events.append((getattr(chunk, "lavr", None) or {}).get("event"))
        for choice in chunk.choices:
            text += choice.delta.content or ""
    check("openai, streamed", text, ANSWER)
    if "step_ended" not in events or usage is None:
        sys.exit(f"openai, streamed: no steps or no usage: {events}, {usage}")

    try:
        client.chat.completions.create(model="other", messages=messages)
        sys.exit("openai: an unknown model is answered")
    except APIStatusError as error:
        check("openai, an unknown model", (error.status_code, error.code), (404, "model_not_found"))

    chat = ChatOpenAI(base_url=f"{base}/v1", api_key="none", model="lavr", timeout=300)
    check("langchain", chat.invoke([HumanMessage(content=content)]).content, ANSWER)
    pieces = [piece.content for piece in chat.stream([HumanMessage(content=content)])]
    check("langchain, streamed", "".join(pieces), ANSWER)


main(*sys.argv[1:])
