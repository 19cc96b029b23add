"""trio: several runs at once, each in a thread of its own, that talk to each other."""

import random
import threading

import trio


lock, tokens, results = threading.Lock(), {}, {}


def known():
    with lock:
        return dict(tokens)


async def run(n):
    with lock:
        tokens[n] = trio.lowlevel.current_trio_token()
    heard = []
    async with trio.open_nursery() as nursery:
        for i in range(4):

            async def one(i=i):
                await trio.sleep(random.random() * 0.003)
                heard.append(i)

            nursery.start_soon(one)
    while len(known()) < 3:
        await trio.sleep(0.001)
    for other, token in sorted(known().items()):
        if other != n:
            try:
                token.run_sync_soon(heard.append, f"from {n}")
            except trio.RunFinishedError:
                heard.append(f"{other} is over")
    await trio.sleep(0.002)
    return heard


def in_thread(n):
    results[n] = trio.run(run, n)


threads = [threading.Thread(target=in_thread, args=(n,)) for n in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for n, heard in sorted(results.items()):
    print(n, heard)
