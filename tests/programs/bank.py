import asyncio


class Store:
    def __init__(self):
        self.rows = {"acct": 100}

    async def get(self, key):
        value = self.rows[key]
        await asyncio.sleep(0.001)
        return value

    async def put(self, key, value):
        await asyncio.sleep(0.001)
        self.rows[key] = value


async def deposit(store, amount):
    balance = await store.get("acct")
    balance += amount
    await store.put("acct", balance)


async def main():
    store = Store()
    async with asyncio.TaskGroup() as tg:
        tg.create_task(deposit(store, 50), name="alice")
        tg.create_task(deposit(store, 30), name="bob")
    total = store.rows["acct"]
    assert total == 180, f"lost update: {total} != 180"


asyncio.run(main())
