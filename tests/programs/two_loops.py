"""Several loops, one after another: asyncio.run twice, a Runner used three times, run_forever."""

import asyncio
import random


async def race(name):
    log = []

    async def runner(n):
        await asyncio.sleep(random.random() * 0.005)
        log.append(n)

    await asyncio.gather(*(runner(n) for n in range(6)))
    print(name, log, asyncio.current_task().get_name())
    return random.random()


print("between", asyncio.run(race("first")))
print("between", asyncio.run(race("second")))
with asyncio.Runner() as runner:
    for n in range(3):
        runner.run(race(f"runner {n}"))
    print(runner.get_loop().is_running(), random.random())
one, other = asyncio.new_event_loop(), asyncio.new_event_loop()
for turn in range(2):
    print(one.run_until_complete(race(f"one, {turn}")), other.run_until_complete(race(f"other, {turn}")))
other.call_later(random.random() * 0.005, other.stop)
other.run_forever()
print("stopped after", other.time() - one.time() < 1, other.time())
one.close()
other.run_until_complete(other.shutdown_asyncgens())
other.close()
try:
    one.run_until_complete(asyncio.sleep(0))
except RuntimeError as error:
    print(error)
