"""hypercorn on trio, an ASGI application, and httpx in the same process: bodies, streams, keep-alive, lifespan."""

import random
from functools import partial

import httpx
import hypercorn.config
import hypercorn.trio
import trio


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            print(message["type"])
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await trio.sleep(random.random() * 0.002)
    headers = [(b"content-type", b"application/octet-stream"), (b"x-token", b"%d" % random.randrange(10**6))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for part in (scope["path"].encode(), b" ", body[::-1]):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def main():
    config = hypercorn.config.Config()
    config.bind = ["127.0.0.1:0"]
    config.accesslog = "-"
    config.access_log_format = "%(m)s %(U)s %(s)s"
    shutdown = trio.Event()
    async with trio.open_nursery() as nursery:
        bound = await nursery.start(partial(hypercorn.trio.serve, app, config, shutdown_trigger=shutdown.wait))
        async with httpx.AsyncClient(base_url=bound[0]) as client:

            async def get(n):
                response = await client.post(f"/{n}", content=b"body %d" % n)
                print(response.status_code, response.text, response.headers["x-token"])

            async with trio.open_nursery() as clients:
                for n in range(5):
                    clients.start_soon(get, n)
            print((await client.get("/last")).content)
        shutdown.set()


trio.run(main)
