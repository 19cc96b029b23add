"""6,000 GET requests over 8 kept connections, aiohttp server and client in this process."""

import asyncio

import aiohttp
from aiohttp import web

REQUESTS = 6_000
CLIENTS = 8


async def hello(request):
    return web.json_response({"hello": request.query["n"]})


async def client(session, url, count):
    for n in range(count):
        async with session.get(url, params={"n": str(n)}) as response:
            assert (await response.json())["hello"] == str(n)


async def main():
    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    async with aiohttp.ClientSession() as session:
        url = f"http://{host}:{port}/"
        await asyncio.gather(*(client(session, url, REQUESTS // CLIENTS) for _ in range(CLIENTS)))
    await runner.cleanup()


asyncio.run(main())
