"""httpx against a server in another process: many requests, streams, redirects, cookies, errors.

python lib_httpx.py HOST:PORT
"""

import asyncio
import random
import sys

import httpx

base = f"http://{sys.argv[1]}"


async def main():
    async with httpx.AsyncClient(base_url=base, limits=httpx.Limits(max_connections=4)) as client:
        for first in asyncio.as_completed([client.get("/json", params={"n": n}) for n in range(8)]):
            response = await first
            print(response.status_code, response.json(), response.elapsed.total_seconds())
        response = await client.post("/reverse", content=random.randbytes(1000))
        print("posted", len(response.content), response.headers["date"], response.http_version)
        async with client.stream("GET", "/stream") as response:
            print("stream", [len(chunk) async for chunk in response.aiter_raw()])
        response = await client.get("/redirect", follow_redirects=True)
        print(
            "redirected",
            response.url.path,
            [hop.status_code for hop in response.history],
            dict(client.cookies),
        )
        try:
            (await client.get("/missing")).raise_for_status()
        except httpx.HTTPStatusError as error:
            print(str(error).splitlines()[0])
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
    print("blocking", await asyncio.to_thread(lambda: httpx.get(f"{base}/json").json()))


asyncio.run(main())
