"""A FastAPI application under uvicorn, asked by httpx in the same process, then told to stop."""

import asyncio
import random
import socket
import time
import uuid

import httpx
import uvicorn
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

background = []


class Item(BaseModel):
    name: str
    amount: int = 1


def user():
    time.sleep(random.random() * 0.002)  # a plain function: FastAPI runs it in a thread
    return f"user{random.randrange(100)}"


app = FastAPI()


@app.get("/items/{number}")
async def item(number: int, who: str = Depends(user)):
    await asyncio.sleep(random.random() * 0.003)
    if number == 3:
        raise HTTPException(404, "no such item")
    return {"number": number, "user": who, "id": uuid.uuid4()}


@app.post("/items")
def create(item: Item, tasks: BackgroundTasks):
    tasks.add_task(background.append, item.name)
    return {"created": item, "at": time.time()}


@app.get("/stream")
async def stream():
    async def pieces():
        for n in range(4):
            yield f"{n}:{random.random()}\n"

    return StreamingResponse(pieces())


async def main():
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, log_level="info"))
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started:
        await asyncio.sleep(0.001)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        for first in asyncio.as_completed([client.get(f"/items/{n}") for n in range(6)]):
            response = await first
            print(response.status_code, response.json())
        print((await client.post("/items", json={"name": "nut", "amount": 3})).json())
        print((await client.post("/items", json={"amount": "x"})).status_code)
        print((await client.get("/stream")).text)
    server.should_exit = True
    await serving
    print("background", background, port)


asyncio.run(main())
