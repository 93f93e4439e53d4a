"""The process of one contender: runs it once and prints its figures as the last line."""

import importlib
import json
import sys

if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    contender = importlib.import_module(asked["module"]).CONTENDERS[asked["contender"]]
    print(json.dumps(contender(**asked["arguments"])), flush=True)
