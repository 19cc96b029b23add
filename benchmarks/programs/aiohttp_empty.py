"""Imports aiohttp and does nothing: the start-up of `aiohttp_get.py`."""

import asyncio

import aiohttp
from aiohttp import web

assert aiohttp.web is web


async def main():
    pass


asyncio.run(main())
