"""trio: ended by Ctrl-C, which comes from outside while all tasks wait; each cleans up."""

import trio


async def worker(n):
    try:
        await trio.sleep_forever()
    finally:
        print("cleaning up", n)


async def main():
    try:
        async with trio.open_nursery() as nursery:
            for n in range(3):
                nursery.start_soon(worker, n)
            await trio.sleep(0)
            print("READY", flush=True)
    finally:
        print("main is over", flush=True)


try:
    trio.run(main)
except* KeyboardInterrupt as errors:
    print(len(errors.exceptions), "interrupt")
