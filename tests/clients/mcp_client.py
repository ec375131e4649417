"""Speaks with `lavr` through the official client of MCP, unmodified: over stdin and stdout, and over HTTP.

    python3 -m venv venv && venv/bin/pip install mcp
    venv/bin/python tests/clients/mcp_client.py target/release/lavr http://127.0.0.1:8321/mcp tests/images/gallery.jpg

Over HTTP it speaks both the newest version of the protocol and an older one. `LAVR_LLM_CACHE` may name a file for
`lavr mcp --llm-cache`.
"""

import base64
import os
import pathlib
import sys

import anyio
from mcp import Client, MCPError, StdioServerParameters

QUESTION = "How many people are there?"
ANSWER = "There are 3 people."
REGION = {"box": [10, 20, 110, 70]}


def check(name, got, expected):
    print(f"{name}: {got!r}")
    if got != expected:
        sys.exit(f"{name}: expected {expected!r}")


async def refused(client, name, arguments):
    try:
        await client.call_tool(name, arguments)
    except MCPError as error:
        return error.error.code, error.error.message
    sys.exit(f"{name} {arguments} is answered")


async def cancelled(client, image):
    """Cancels a call as soon as it has begun; the client has to be of use after that."""
    with anyio.move_on_after(120) as scope:

        async def begun(progress, total, message):
            scope.cancel()

        await client.call_tool("describe_scene", {"image": image}, progress_callback=begun)
    return scope.cancelled_caught


async def tools(client, name, image):
    listed = [tool.name for tool in (await client.list_tools()).tools]
    print(f"{name}, tools: {', '.join(listed)}")
    if listed[0] != "ask_image" or not {"crop", "read_text", "detect_objects"} <= set(listed):
        sys.exit(f"{name}: tools are missing")

    said = []

    async def progress(progress, total, message):
        said.append(message)

    result = await client.call_tool("crop", {"image": image, "region": REGION}, progress_callback=progress)
    picture = next(content for content in result.content if content.type == "image")
    head = base64.b64decode(picture.data)[:24]
    size = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    check(f"{name}, crop", (result.is_error, picture.mime_type, size), (False, "image/png", (100, 50)))
    check(f"{name}, structured", list(result.structured_content["result"]), ["blob"])
    check(f"{name}, progress", said, ["crop began", "crop ended"])

    check(f"{name}, wrong arguments", (await refused(client, "crop", {"image": image}))[0], -32602)
    check(f"{name}, unknown tool", (await refused(client, "no_such_tool", {}))[0], -32602)
    check(f"{name}, cancelled", await cancelled(client, image), True)


async def question(client, name, image):
    steps = []

    async def progress(progress, total, message):
        steps.append(message)

    arguments = {"images": [image], "question": QUESTION, "annotate": True}
    result = await client.call_tool("ask_image", arguments, progress_callback=progress)
    check(f"{name}, answer", (result.is_error, result.content[0].text), (False, ANSWER))
    check(f"{name}, evidence", result.structured_content["claims"][0]["text"], ANSWER)
    check(f"{name}, annotated", [content.type for content in result.content[1:2]], ["image"])
    if not steps or not any("ended after" in step for step in steps):
        sys.exit(f"{name}: no progress: {steps}")


async def main(lavr, url, path):
    cache = os.environ.get("LAVR_LLM_CACHE")
    started = StdioServerParameters(
        command=lavr,
        args=["mcp", *(["--llm-cache", cache] if cache else [])],
        env={name: value for name, value in os.environ.items() if name.startswith(("LAVR_", "HOME", "PATH"))},
    )
    data = "data:image/jpeg;base64," + base64.b64encode(pathlib.Path(path).read_bytes()).decode()
    ways = [
        ("stdio", started, {}, path),
        ("http", url, {}, data),
        ("http, older", url, {"mode": "legacy"}, data),
    ]
    for name, server, options, image in ways:
        async with Client(server, read_timeout_seconds=300, **options) as client:
            print(f"{name}, version: {client.protocol_version}")
            await tools(client, name, image)
            if server == url:
                code, message = await refused(client, "crop", {"image": path, "region": REGION})
                check(f"{name}, a path", (code, "no file is read" in message), (-32602, True))
    # The LLM comes last.
    for name, server, options, image in ways:
        async with Client(server, read_timeout_seconds=300, **options) as client:
            await question(client, name, image)


anyio.run(main, *sys.argv[1:])
