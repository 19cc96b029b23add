"""Nothing but starting Python and importing trio: start-up, which is taken off."""

import trio
import trio.testing


async def main():
    pass


trio.run(main)
