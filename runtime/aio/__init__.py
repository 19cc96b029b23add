"""The asyncio front end: an event loop whose inputs come from a world."""
