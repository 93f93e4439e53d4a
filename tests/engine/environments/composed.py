"""The program that makes a Compose stack with the engine that it finds, and prints how it went."""

from __future__ import annotations

import json
from pathlib import Path

from tcunit import ComposeStack
from tcunit._docker import find_engine
from tcunit._session import PROJECT_LABEL, session_id
from tests.engine.environments.probe import ask_nginx

SHOP = Path(__file__).parents[1] / "compose" / "shop.yml"


def main() -> None:
    """Start the stack, reach a service of it, see what the engine has of it, and stop it."""
    engine = find_engine()
    with ComposeStack(SHOP, services=["web"]) as stack:
        label = f"{PROJECT_LABEL}={stack.project}"
        made = [each.name.removeprefix(stack.project) for each in engine.labelled(label)]
        said = {
            "source": engine.source,
            "page": ask_nginx(stack["web"].endpoint(80)),
            "made": sorted(made),
        }
    said["left"] = [each.name for each in engine.labelled(label)]
    print(json.dumps({**said, "session": session_id()}))


if __name__ == "__main__":
    main()
