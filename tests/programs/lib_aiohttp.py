"""An aiohttp server and client in one process: concurrent requests, JSON, an upload, errors."""

import asyncio
import random

import aiohttp
from aiohttp import web

served = []


async def number(request):
    await asyncio.sleep(random.random() * 0.005)
    served.append(int(request.query["n"]))
    port = request.transport.get_extra_info("peername")[1]
    return web.json_response({"n": request.query["n"], "random": random.random(), "from": port})


async def upload(request):
    parts, reader = [], await request.multipart()
    async for part in reader:
        parts.append(f"{part.name}:{len(await part.read())}")
    answer = web.Response(text=" ".join(parts))
    answer.set_cookie("session", str(random.randrange(10**6)))
    return answer


async def stream(request):
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(5):
        await answer.write(random.randbytes(random.randrange(1, 5000)))
        await asyncio.sleep(random.random() * 0.001)
    return answer


async def slow(request):
    await asyncio.sleep(0.1)
    return web.Response()


async def main():
    app = web.Application()
    app.router.add_get("/number", number)
    app.router.add_post("/upload", upload)
    app.router.add_get("/stream", stream)
    app.router.add_get("/slow", slow)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    base = f"http://{host}:{port}"
    async with aiohttp.ClientSession(base, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:

        async def get(n):
            async with session.get("/number", params={"n": n}) as response:
                return await response.json()

        for first in asyncio.as_completed([get(n) for n in range(10)]):
            print(await first)
        form = aiohttp.FormData({"field": "value"})
        form.add_field("file", random.randbytes(50_000), filename="random.bin")
        async with session.post("/upload", data=form) as response:
            print(response.status, await response.text(), response.cookies["session"].value)
        async with session.get("/stream") as response:
            print(
                "stream",
                [len(chunk) async for chunk, _ in response.content.iter_chunks()],
                response.headers["Date"],
            )
        async with session.get("/nowhere") as response:
            print(response.status, response.reason)
        try:
            await session.get("/slow", timeout=aiohttp.ClientTimeout(total=0.02))
        except asyncio.TimeoutError as error:
            print("timeout", type(error).__name__)
    print("served", served, port)
    await runner.cleanup()


asyncio.run(main())
