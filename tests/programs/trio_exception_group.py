"""trio: several tasks fail, one inside a nested nursery; the group that comes of it is nobody's."""

import trio


async def failing(n):
    try:
        await trio.sleep(0.001)
        raise ValueError(n)
    except ValueError as error:
        if n % 2:
            raise KeyError(n) from error
        raise


async def nested():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(failing, 10)
        nursery.start_soon(failing, 11)


async def main():
    async with trio.open_nursery() as nursery:
        for n in range(4):
            nursery.start_soon(failing, n)
        nursery.start_soon(nested)


trio.run(main, strict_exception_groups=True)
