"""A program of a user without rights, on a file system that cannot be written to."""

import os
import threading

import extra

if __name__ == "__main__":
    assert os.getuid() == 1000
    assert extra.IS_CUSTOMIZED
    print("ready", flush=True)  # runs
    threading.Event().wait()
