"""What the package promises is there, and importing it costs nothing."""

from __future__ import annotations

import subprocess
import sys
import types
import unittest

import tcunit
import tcunit.modules
import tcunit.wait


class ExportsTest(unittest.TestCase):
    """``__all__`` is the truth."""

    def test_all_is_what_there_is(self) -> None:
        """Every public name is listed and every listed name exists."""
        for module in (tcunit, tcunit.wait, tcunit.modules):
            with self.subTest(module=module.__name__):
                for name in module.__all__:
                    getattr(module, name)  # what is imported at its first use, too
                public = {
                    name
                    for name, value in vars(module).items()
                    if not name.startswith("_") and name != "annotations"
                    if not isinstance(value, types.ModuleType) or name in module.__all__
                }
                listed = set(module.__all__) - {"__version__"}
                self.assertEqual(listed, public)

    def test_import_is_inert(self) -> None:
        """Importing tcunit imports no SDK, no HTTP client and no asyncio, and opens nothing."""
        code = (
            "import sys\n"
            "def refuse(event, args):\n"
            "    assert not event.startswith('socket.'), event\n"
            "sys.addaudithook(refuse)\n"
            "import tcunit, tcunit.modules\n"
            "print(sorted({'asyncio', 'docker', 'requests', 'urllib3'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        self.assertEqual(("[]\n", ""), (done.stdout, done.stderr))
