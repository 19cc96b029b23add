"""Callbacks for a loop in another thread, given before, while and after it begins to run."""

import asyncio
import threading


async def answer(n):
    await asyncio.sleep(0)
    return n


for n in range(8):
    loop = asyncio.new_event_loop()

    def serve(loop=loop, n=n):
        asyncio.set_event_loop(loop)
        sum(range(40_000 * (n % 4)))
        loop.run_forever()

    thread = threading.Thread(target=serve)
    thread.start()
    sum(range(30_000 * (n % 3)))
    print(asyncio.run_coroutine_threadsafe(answer(n), loop).result(5))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()

loop = asyncio.new_event_loop()
thread = threading.Thread(target=lambda: (sum(range(200_000)), loop.call_soon_threadsafe(loop.stop)))
thread.start()
loop.run_forever()
thread.join()
loop.close()
print("stopped")
