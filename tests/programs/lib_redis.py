"""redis.asyncio against a real server: commands, a pipeline, publish and subscribe, a blocking pop.

python lib_redis.py HOST:PORT
"""

import asyncio
import random
import sys

import redis.asyncio as redis

host, port = sys.argv[1].split(":")


async def listener(client, ready, heard):
    async with client.pubsub() as channel:
        await channel.subscribe("news")
        async for message in channel.listen():
            if message["type"] == "subscribe":
                ready.set()
            elif message["data"] == "end":
                return
            else:
                heard.append(message["data"])


async def main():
    async with redis.Redis(host=host, port=int(port), decode_responses=True) as client:
        print(await client.ping(), await client.set("key", random.random()), await client.get("key"))
        print(await asyncio.gather(*(client.incrby("counter", random.randrange(10)) for _ in range(8))))
        async with client.pipeline(transaction=True) as pipe:
            pipe.set("a", 1).incr("a").lpush("list", *random.sample(range(100), 5)).lrange("list", 0, -1)
            print(await pipe.execute())
        ready, heard = asyncio.Event(), []
        task = asyncio.create_task(listener(client, ready, heard))
        await ready.wait()
        for n in range(4):
            await client.publish("news", f"{n} {random.randrange(1000)}")
        await client.publish("news", "end")
        await task
        print("heard", heard)
        waiting = asyncio.create_task(client.blpop(["jobs"], timeout=2))
        await asyncio.sleep(0.005)
        await client.rpush("jobs", random.randrange(1000))
        print("popped", await waiting)
        print("members", await client.sadd("set", *range(10)), await client.srandmember("set", 3))
        print("time", await client.time(), (await client.info("server"))["run_id"])
        try:
            await client.execute_command("NONSENSE")
        except redis.ResponseError as error:
            print(error)


asyncio.run(main())
