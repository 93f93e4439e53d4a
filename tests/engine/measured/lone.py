"""A container on its own, in a script: what it finds in itself, and a program to measure."""

from kinds import module, python

from tcunit import wait

LOOK = """
import os
print(sorted({"COVERAGE_PROCESS_START", "PYTHONPATH"} & set(os.environ)))
print(os.path.exists("/.tcunit-coverage"))
"""

with module("shop.ends 0").waiting_for(wait.for_exit()).with_coverage():
    pass
with python(["python", "-c", LOOK]).waiting_for(wait.for_exit()).with_coverage("shop") as box:
    print(box.get_logs()[0].decode())
