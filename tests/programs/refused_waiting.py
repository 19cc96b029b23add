"""What the system refuses to wait for: twice, never asked for, closed, a file; by epoll, selectors and the loop."""

import asyncio
import os
import resource
import select
import selectors
import socket
import sys


def attempt(what, function, *args):
    try:
        function(*args)
        print(what, "done")
    except Exception as error:
        print(what, repr(error))


def by_hand(epoll):
    inner, outer = os.pipe()
    attempt("modify", epoll.modify, inner, select.EPOLLIN)
    attempt("unregister", epoll.unregister, inner)
    for _ in range(3):
        attempt("register", epoll.register, inner, select.EPOLLIN)
    attempt("modify", epoll.modify, inner, select.EPOLLOUT)
    os.close(inner)
    os.close(outer)
    attempt("closed", epoll.unregister, inner)
    again, outer = os.pipe()
    print("the same number", again == inner)
    attempt("forgotten", epoll.modify, again, select.EPOLLIN)
    attempt("new", epoll.register, again, select.EPOLLIN)
    for wrong in (-1, "name", 1 << 40):
        attempt("wrong", epoll.register, wrong)
    attempt("mask", epoll.register, outer, "in")
    with open(__file__) as file:
        attempt("file", epoll.register, file)
    print("polled", epoll.poll(0))
    other = select.epoll.fromfd(os.dup(epoll.fileno()))
    attempt("the same", other.register, again)
    other.close()
    os.close(again)
    os.close(outer)
    number = epoll.fileno()
    os.close(number)
    attempt("gone", epoll.close)
    attempt("close", epoll.close)
    attempt("after", epoll.register, outer)
    attempt("fileno", epoll.fileno)


def by_poll():
    poll = select.poll()
    attempt("modify", poll.modify, 5, 1)
    attempt("unregister", poll.unregister, 5)
    attempt("register", poll.register, "name")
    poll.register(999)
    print("polled", poll.poll(0))


def by_selectors():
    inner, outer = os.pipe()
    with selectors.DefaultSelector() as selector, open(__file__) as file:
        attempt("file", selector.register, file, selectors.EVENT_READ)
        attempt("number", selector.register, 999, selectors.EVENT_READ)
        selector.register(inner, selectors.EVENT_READ)
        attempt("twice", selector.register, inner, selectors.EVENT_READ)
        os.close(inner)
        attempt("modify", selector.modify, inner, selectors.EVENT_READ | selectors.EVENT_WRITE)
        print(sorted(selector.get_map()))
    os.close(outer)


async def by_the_loop():
    loop = asyncio.get_running_loop()
    print("epoll", loop._selector.fileno())
    first, second = socket.socketpair()
    fd = first.fileno()
    loop.add_reader(fd, print)
    first.close()
    third, fourth = socket.socketpair()
    print("the same number", third.fileno() == fd)
    attempt("modify", loop.add_writer, fd, print)
    print("then", sorted(loop._selector.get_map()))
    attempt("register", loop.add_writer, fd, print)
    third.close()
    print("removed", loop.remove_writer(fd), loop.remove_writer(fd))
    with open(__file__) as file:
        attempt("file", loop.add_reader, file, print)
    for sock in (second, fourth):
        sock.close()


def without_descriptors():
    sys.unraisablehook = lambda args: None  # a loop that is half made cannot be closed
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (24, limits[1]))
    opened = []
    try:
        while True:
            opened.append(os.dup(0))
    except OSError as error:
        print(len(opened) > 3, error)
    for _ in range(3):
        try:
            asyncio.new_event_loop().close()
            print("a loop")
        except OSError as error:
            print("no loop:", error)
        os.close(opened.pop())
    for fd in opened:
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


by_hand(select.epoll())
by_poll()
by_selectors()
asyncio.run(by_the_loop())
without_descriptors()
