"""Starlette's TestClient, which runs the application in a thread of its own behind a blocking portal."""

import random
import threading

import anyio
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient


async def number(request):
    await anyio.sleep(random.random() * 0.003)
    return JSONResponse({"n": request.path_params["n"], "random": random.random()})


def in_thread(request):
    return PlainTextResponse(f"{threading.current_thread().name} {random.randrange(1000)}")


async def broken(request):
    raise RuntimeError(f"broken {random.randrange(1000)}")


async def echo(socket):
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(f"{text} {random.randrange(1000)}")


routes = [
    Route("/number/{n}", number),
    Route("/thread", in_thread),
    Route("/broken", broken),
    WebSocketRoute("/echo", echo),
]
with TestClient(Starlette(routes=routes)) as client:
    for n in range(4):
        print(client.get(f"/number/{n}").json())
    print(client.get("/thread").text, client.get("/nowhere").status_code)
    with client.websocket_connect("/echo") as socket:
        for n in range(3):
            socket.send_text(f"message {n}")
            print(socket.receive_text())
    try:
        client.get("/broken")
    except RuntimeError as error:
        print("raised", error)
print(TestClient(Starlette(routes=routes)).get("/number/without").json())
