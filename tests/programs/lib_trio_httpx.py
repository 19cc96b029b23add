"""httpx on trio against a server in another process: many requests, a stream, a redirect, timeouts.

python lib_trio_httpx.py HOST:PORT
"""

import random
import sys

import httpx
import trio

base = f"http://{sys.argv[1]}"


async def main():
    async with httpx.AsyncClient(base_url=base, limits=httpx.Limits(max_connections=4)) as client:
        order = []

        async def get(n):
            response = await client.get("/json", params={"n": n})
            order.append((response.status_code, response.json()))

        async with trio.open_nursery() as nursery:
            for n in range(8):
                nursery.start_soon(get, n)
        print(*order, sep="\n")
        response = await client.post("/reverse", content=random.randbytes(1000))
        print("posted", len(response.content), response.headers["date"], response.elapsed.total_seconds())
        async with client.stream("GET", "/stream") as response:
            print("stream", [len(chunk) async for chunk in response.aiter_raw()])
        response = await client.get("/redirect", follow_redirects=True)
        print("redirected", response.url.path, dict(client.cookies))
        for path in "/break", "/slow":
            try:
                await client.get(path, timeout=0.1)
            except httpx.TransportError as error:
                print(type(error).__name__, error)
    try:
        async with httpx.AsyncClient() as client:
            await client.get("http://127.0.0.1:1/")
    except httpx.ConnectError as error:
        print("refused", error)


trio.run(main)
