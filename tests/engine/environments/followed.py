"""A program that waits for a line in a log, and prints which threads are there after that."""

from __future__ import annotations

import json
import threading

from tcunit import DockerContainer, wait

BOX = DockerContainer("alpine").with_command(["sh", "-c", "echo tea; sleep 300"])

if __name__ == "__main__":
    with BOX.waiting_for(wait.for_log("tea")):
        print(json.dumps([each.name for each in threading.enumerate()]))
