"""What the system says of limits, users, clocks; messages into several buffers; an interrupt from a thread."""

import grp
import os
import pwd
import resource
import select
import socket
import threading
import time
import _thread


def limits():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(type(usage).__name__, usage.ru_utime, usage.ru_maxrss, usage.ru_nvcsw)
    print(resource.getrlimit(resource.RLIMIT_NOFILE), resource.getpagesize())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(resource.prlimit(0, resource.RLIMIT_CORE))


def users():
    me = pwd.getpwuid(os.getuid())
    print(me.pw_name, me.pw_dir, len(pwd.getpwall()), grp.getgrgid(me.pw_gid).gr_name)
    try:
        pwd.getpwnam("nobody by that name")
    except KeyError as error:
        print(error)
    print(os.path.expanduser("~" + me.pw_name))


def clocks():
    print(time.clock_getres(time.CLOCK_MONOTONIC))
    clock = time.pthread_getcpuclockid(threading.get_ident())
    print(time.clock_gettime(clock) > 0, clock)


def messages():
    one, other = socket.socketpair()
    one.sendmsg([b"first, ", b"second and third"])
    first, rest = bytearray(5), bytearray(30)
    print(other.recvmsg_into([first, rest]), bytes(first), bytes(rest).rstrip(b"\0"))
    socket.send_fds(one, [b"a descriptor"], [one.fileno()])
    data, fds, flags, address = socket.recv_fds(other, 100, 4)
    print(data, len(fds), flags)
    os.close(fds[0])
    one.close()
    poll = select.epoll()
    same = select.epoll.fromfd(os.dup(poll.fileno()))
    same.register(other.fileno(), select.EPOLLIN)
    print([mask for _, mask in same.poll(1)])
    same.close()
    poll.close()
    other.close()


def folders():
    for entry in os.scandir("."):
        print(isinstance(entry, os.DirEntry), type(entry).__module__, type(entry).__name__)
    print(isinstance(threading.Lock(), _thread.LockType), type(threading.Lock()).__name__)


def interrupt():
    done = threading.Event()

    def soon():
        done.wait()
        _thread.interrupt_main()

    thread = threading.Thread(target=soon)
    thread.start()
    try:
        done.set()
        thread.join()
        time.sleep(5)
        print("never")
    except KeyboardInterrupt:
        print("interrupted")
    thread.join()


try:
    os.setpgrp()
except PermissionError as error:  # it leads a session
    print(error)
print(os.getpgrp() == os.getpid())
limits()
users()
clocks()
messages()
folders()
interrupt()
