"""Processes below a shell that listens to no signal, each with children of its own."""

import multiprocessing
import os
import subprocess
import sys
import threading


def double(number):
    return 2 * number  # runs


def pool():
    with multiprocessing.Pool(2) as workers:
        assert workers.map(double, [1, 2]) == [2, 4]  # runs


def child():
    subprocess.run([sys.executable, "-m", "shop.jobs", "grandchild"], check=True)  # runs


def grandchild():
    os.execv(sys.executable, [sys.executable, "-m", "shop.jobs", "other"])  # runs


def other():
    print("another program")  # runs


def main(name):
    globals()[name]()
    if name in ("pool", "child"):
        print(name, "ready", flush=True)  # runs
        threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1])
