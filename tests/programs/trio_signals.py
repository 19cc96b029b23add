"""trio: signals received as a stream, in numbers, from a timer and from the program itself; a handler besides."""

import os
import signal

import trio


async def main():
    with trio.open_signal_receiver(signal.SIGUSR1, signal.SIGUSR2) as received:
        os.kill(os.getpid(), signal.SIGUSR1)
        signal.raise_signal(signal.SIGUSR2)
        got = []
        async for number in received:
            got.append(signal.Signals(number).name)
            if len(got) == 2:
                break
        print(sorted(got))
    signal.signal(signal.SIGALRM, signal.SIG_IGN)  # trio sends on to it what came in too late
    with trio.open_signal_receiver(signal.SIGALRM) as received:
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
        count = 0
        async for _ in received:
            count += 1
            if count == 3:
                signal.setitimer(signal.ITIMER_REAL, 0)
                break
    print("alarms", count)

    got = []
    signal.signal(signal.SIGUSR1, lambda number, frame: got.append((number, frame is not None)))
    async with trio.open_nursery() as nursery:

        async def send():
            for _ in range(3):
                await trio.sleep(0.001)
                os.kill(os.getpid(), signal.SIGUSR1)
                await trio.sleep(0.001)

        nursery.start_soon(send)
    print(got)
    try:
        with trio.fail_after(5):
            os.kill(os.getpid(), signal.SIGINT)
            await trio.sleep(1)
    except KeyboardInterrupt:
        print("interrupted itself")


trio.run(main)
