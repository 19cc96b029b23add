"""A thread reports its result to a future that was given up meanwhile."""

import asyncio
import threading


async def main() -> None:
    loop = asyncio.get_running_loop()
    problems: list[object] = []
    loop.set_exception_handler(lambda loop, context: problems.append(context.get("exception")))
    result: asyncio.Future[int] = loop.create_future()

    def work() -> None:
        loop.call_soon_threadsafe(result.set_result, 42)

    thread = threading.Thread(target=work, name="worker")
    thread.start()
    try:
        print(await asyncio.wait_for(result, 0.1))
    except TimeoutError:
        print("gave up")
    await asyncio.to_thread(thread.join)
    await asyncio.sleep(0)
    assert not problems, f"the loop reported {problems}"


asyncio.run(main())
