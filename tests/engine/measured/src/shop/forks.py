"""A server that forks its workers, which end without the interpreter's own end."""

import os
import signal
import sys
import time


def stop_worker(number, frame):
    said = "the worker ends"  # runs
    print(said, flush=True)
    os._exit(0)


def work():
    signal.signal(signal.SIGTERM, stop_worker)
    print("worker ready", flush=True)  # runs
    while True:
        time.sleep(60)


def main():
    workers = []

    def stop(number, frame):
        for pid in workers:
            os.kill(pid, signal.SIGTERM)  # runs
            os.waitpid(pid, 0)
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    for _ in range(2):
        if (pid := os.fork()) == 0:
            work()  # runs
        workers.append(pid)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
